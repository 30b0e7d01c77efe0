package redis_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/plugins/internal/plugintest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

const samples = "testdata/samples"

func load(t testing.TB) *plugintest.Plugin {
	t.Helper()
	return plugintest.Load(t, "redis", "redis.wasm")
}

func TestRealClientsAreRecognised(t *testing.T) {
	t.Parallel()
	p := load(t)
	matchers := p.Matchers(t,
		"redis",
		"redis command ping Select",
		"redis user alice default",
		"redis db 2 5",
		"redis {\ndb 2\ncommand AUTH HELLO\n}",
		"redis {\ncommand HELLO\nuser alice\n}",
	)
	plugintest.Golden(t, plugintest.Samples(t, samples), matchers)
}

// The bar stands before the byte that decides.
func TestCommandsAreJudgedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	m := load(t).Matcher(t, "redis")
	for _, text := range []string{
		"*1\r\n$4\r\nPING\r|\n",
		"*2\r\n$3\r\nGET\r|\n$6\r\nplanet\r\n",
		"*1048576\r\n$9\r\nFT.SEARCH\r|\n",
		"*2\r\n$3\r\n9-_\r|\n",
		"*2\r\n$4\r\nAUTH\r\n$0\r\n\r|\n",
		"*3\r\n$4\r\nauth\r\n$1\r\na\r\n$3\r\nb\r\n\r|\n",
		"*1\r\n$5\r\nHELLO\r|\n",
		"*2\r\n$6\r\nSELECT\r\n$2\r\n-1\r|\n",
		"PING|\n",
		"ping  \t \"a b\" \r|\n",
		"set k 'a \\' b' EX 5\r|\n",
		"QUIT\r|\n",
	} {
		plugintest.Decides(t, m, text, sdk.Yes)
	}
	for _, text := range []string{
		"|$4\r\nPING\r\n", "|\x00", "|\x16\x03\x01", "|+OK\r\n",
		"*|\r\n", "*|+1\r\n", "*0|1\r\n$4\r\nPING\r\n", "*1|\n",
		"*1\r\n|+PING\r\n", "*1\r\n$0\r|\n\r\n", "*1\r\n$65\r|\nx", "*1\r\n$4\r\nPI| G\r\n",
		"*1\r\n$4\r\nAUTH\r|\n", "*2\r\n$4\r\nAUTH\r\n|:1\r\n",
		"*4\r\n$4\r\nAUTH\r|\n", "*3\r\n$6\r\nSELECT\r|\n", "*8\r\n$5\r\nHELLO\r|\n",
		"GET / |HTTP/1.1\r\n", "P|OST / HTTP/1.1\r\n", "SEN|D x\r\n", "PING|S\r\n", "PIN|\r\n", "E|HLO mail\r\n", "PI|\xffG\r\n",
		"PING a |b\r\n", "QUIT |now\r\n", "ECHO\r|\n", "GET\r|\n", "SET k\r|\n", "FLUSHALL|X\r\n",
		"SELECT\r|\n",
	} {
		plugintest.Decides(t, m, text, sdk.No)
	}
	for _, text := range []string{ // what a server goes on with, and nobody sends
		"|\r\n", "| PING\r\n", "|\vPING\r\n", "|\"PING\"\r\n", "P|\"ING\"\r\n", "FLUSHALL|\r\n", "lpush| a b\r\n",
		"*|-1\r\n", "*0\r|\n", "*1048577\r|\n$4\r\nPING\r\n", "*1234567|8\r\n", "*1\r|x", "*1\r\n$|-1\r\n", "*1\r\n$4\r\nPING|S\r\n",
		"*2\r\n$4\r\nAUTH\r\n$16385\r|\nx", "*2\r\n$4\r\nAUTH\r\n$1\r\nx|yz",
		"PING \"a|\r\n", "PING \"a\"|b\r\n", "PING a|\"b\"\r\n", "PING\r|x", "PING a|\x00", "GET |\x00", "INFO " + strings.Repeat("x", 1018) + "|xx",
	} {
		plugintest.Decides(t, m, text, sdk.Unknown)
	}
}

func TestFactsAreThoseOfTheFirstCommand(t *testing.T) {
	t.Parallel()
	m := load(t).Matcher(t, "redis")
	long := strings.Repeat("u", 256)
	for head, want := range map[string]string{
		"*2\r\n$3\r\nget\r\n": `yes command="GET"`,
		"*4\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$7\r\nSETNAME\r\n$1\r\nx\r\n": `yes command="HELLO"`,
		"HELLO 3 SETNAME AUTH auth bob pw\r\n":                         `yes command="HELLO" user="bob"`,
		"HELLO\r\n":                                                    `yes command="HELLO"`,
		"HELLO 3 AUTH\r\n":                                             `yes command="HELLO"`,
		"AUTH pw\n":                                                    `yes command="AUTH" user="default"`,
		"AUTH 'bob' pw\n":                                              `yes command="AUTH" user="bob"`,
		"AUTH \"b\\x6fb\" pw\n":                                        `yes command="AUTH"`,
		"AUTH " + long[1:] + " pw\n":                                   `yes command="AUTH" user="` + long[1:] + `"`,
		"AUTH " + long + " pw\n":                                       `yes command="AUTH"`,
		"select 12\n":                                                  `yes command="SELECT" db="12"`,
		"select x\n":                                                   `yes command="SELECT"`,
	} {
		f := matchtest.TCP()
		f.Head = []byte(head)
		if diff := cmp.Diff(want, matchtest.Ask(m, &f).String()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", head, diff)
		}
	}
}

// Some libraries send SELECT together with AUTH, others when AUTH was answered: those have
// not said that they want another database.
func TestADatabaseIsLookedForBehindWhatGreets(t *testing.T) {
	t.Parallel()
	p := load(t)
	const auth, hello, one = "*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n", "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", "*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n"
	for line, heads := range map[string]map[string]sdk.Verdict{
		"redis db 1": {
			auth + one[:len(one)-1] + "|\n": sdk.Yes, hello + auth + one[:len(one)-1] + "|\n": sdk.Yes,
			"auth x\nhello 3\nselect 1|\n":     sdk.Yes,
			auth + one[:len(one)-3] + "2\r|\n": sdk.No, auth + "*1\r\n$4\r\nPING\r|\n": sdk.No,
			auth + "|#": sdk.No, auth + "| ": sdk.Unknown, auth + auth + auth + auth + auth[:len(auth)-1] + "|\n": sdk.Unknown,
		},
		"redis db 1 command HELLO": {auth[:len(auth)-1] + "|\n": sdk.No, hello + one[:len(one)-1] + "|\n": sdk.Yes},
		"redis db 1 user alice":    {auth[:len(auth)-1] + "|\n": sdk.No, hello[:len(hello)-1] + "|\n": sdk.No},
		"redis db 1 user default":  {auth + one[:len(one)-1] + "|\n": sdk.Yes},
		"redis user default":       {auth[:len(auth)-1] + "|\n" + one: sdk.Yes},
	} {
		m := p.Matcher(t, line)
		for text, want := range heads {
			plugintest.Decides(t, m, text, want)
		}
	}
	m, f := p.Matcher(t, "redis db 1"), matchtest.TCP()
	f.Head = []byte(hello + auth + one)
	if diff := cmp.Diff(`yes command="HELLO" db="1"`, matchtest.Ask(m, &f).String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWrongArgumentsAreRefusedWhereTheyStand(t *testing.T) {
	t.Parallel()
	p := load(t)
	p.AllRefused(t, map[string]string{
		"redis x":                             "4:7: redis: is no option: write command, user or db",
		"redis db":                            "4:7: redis: needs a value",
		"redis command user bob":              "4:7: redis: needs a value",
		"redis command A-B 'x y'":             "4:19: redis: is no name of a command: write SELECT, or GET",
		`redis user ""`:                       "4:12: redis: is no name of 1 to 255 bytes",
		"redis db one":                        "4:10: redis: is no number of a database: write 0, or 15",
		"redis {\ndb 1 {\nx\n}\n}":            "5:1: redis: begins a block where none is",
		"redis {\nuser command db\nhost x\n}": "6:1: redis: is no option: write command, user or db",
		"redis user" + strings.Repeat(" "+strings.Repeat("u", 250), 17): "4:4028: redis: is one too many: there is room for 4 KiB of values",
	})
}

// heads are samples, and lines that no client of these sent.
func heads(t testing.TB) [][]byte {
	t.Helper()
	return append(plugintest.Heads(plugintest.Samples(t, samples)),
		[]byte("HELLO 3\r\nAUTH alice x\nselect 3\n"), []byte("HELLO 3 AUTH 'bob' pw SETNAME x\r\n"), []byte("set k 'a \\' b' EX 5\r\n"), []byte("GET / HTTP/1.1\r\n"))
}

func TestTheMatcherObeysTheLaws(t *testing.T) {
	t.Parallel()
	p := load(t)
	for _, line := range []string{"redis", "redis command auth HELLO select user alice db 3", "redis user bob", "redis db 3"} {
		matchtest.Laws(t, p.Matcher(t, line), matchtest.TCP(), heads(t)...)
	}
}

// Not in parallel: it counts what the process allocates.
func TestTheModuleMakesTheHostAllocateNothing(t *testing.T) {
	p := load(t)
	for _, line := range []string{"redis", "redis user alice db 3"} {
		matchtest.Allocs(t, p.Matcher(t, line), matchtest.TCP(), heads(t)...)
	}
}

func TestClientsOfOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	plugintest.NoOther(t, load(t).Matcher(t, "redis"), "redis", matchtest.TCP())
}

func FuzzRedis(f *testing.F) {
	p := load(f)
	matchtest.Fuzz(f, heads(f), p.Matcher(f, "redis"), p.Matcher(f, "redis user alice default db 3"))
}
