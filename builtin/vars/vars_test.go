package vars_test

import (
	"strings"
	"testing"

	"dwaar.dev/dwaar/builtin/vars"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
	"github.com/google/go-cmp/cmp"
)

func node(name, args string) *sdk.Node {
	n := &sdk.Node{Name: name}
	for i, text := range strings.Fields(args) {
		n.Args = append(n.Args, sdk.Word{Text: text, Pos: sdk.Pos{Line: 1, Col: i + 1}})
	}
	return n
}

func equals(t testing.TB, args string) sdk.Matcher {
	t.Helper()
	m, err := vars.New(node("vars", args))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func contains(t testing.TB, args string) sdk.Matcher {
	t.Helper()
	m, err := vars.NewRegexp(node("vars_regexp", args))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// known is what earlier handlers and matchers found.
type known map[string]string

func (k known) Get(name string) (string, bool) { v, ok := k[name]; return v, ok }
func (known) Set(string, []byte)               {}

func flow() sdk.Flow {
	f := matchtest.TCP()
	f.Bind(known{
		"vars.mode":        "tls",
		"vars.empty":       "",
		"vars.host":        "app.example.com",
		"tls.server_name":  "app.example.com",
		"tls.cipher_suite": "TLS_AES_256_GCM_SHA384",
	})
	return f
}

func ask(m sdk.Matcher) string {
	f := flow()
	return matchtest.Ask(m, &f).String()
}

func TestAVariableEqualsOneOfTheValues(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"mode tls":                          "yes",
		"mode ssh tls":                      "yes",
		"mode TLS":                          "no",
		"mode tl":                           "no",
		"mode tls1":                         "no",
		"{vars.mode} tls":                   "yes",
		"{l4.vars.mode} tls":                "yes",
		"{tls.server_name} app.example.com": "yes",
		"{l4.tls.server_name} {vars.host}":  "yes",
		"host {l4.tls.server_name}":         "yes",
		"{tls.server_name} {vars.none}":     "no",
		"{tls.server_name} a{vars.empty}pp.example.com": "yes",
		"{tls.server_name} {vars.host}:443":             "no",
		"none tls":                                      "no",
		"{tls.none} x":                                  "unknown",
		"{tls.server_name} {tls.none}":                  "unknown",
		"{tls.server_name} {tls.none} app.example.com":  "yes",
		"{tls.server_name} x{tls.none}":                 "no",
		"{tls.server_name} app{tls.none} y":             "unknown",
		"none {tls.none}":                               "no",
	} {
		if got := ask(equals(t, args)); got != want {
			t.Errorf("vars %s: %s, want %s", args, got, want)
		}
	}
}

func TestAnEmptyValueIsNotAnAbsentOne(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"empty": "yes", "none": "no"} {
		n := node("vars", name)
		n.Args = append(n.Args, sdk.Word{Quoted: true})
		m, err := vars.New(n)
		if err != nil {
			t.Fatal(err)
		}
		if got := ask(m); got != want {
			t.Errorf("vars %s \"\": %s, want %s", name, got, want)
		}
	}
}

func TestGroupsOfAMatchBecomeFacts(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		`aes {l4.tls.cipher_suite} ^TLS_AES_(?<key>\d+)_GCM_SHA(?<hash>\d+)$`: `yes 0="TLS_AES_256_GCM_SHA384" 1="256" 2="384" aes.0="TLS_AES_256_GCM_SHA384" aes.1="256" aes.2="384" aes.hash="384" aes.key="256" hash="384" key="256"`,
		`{tls.cipher_suite} AES_(\d+)`:                                        `yes 0="AES_256" 1="256"`,
		`mode ^(t)|(s)`:                                                       `yes 0="t" 1="t" 2=""`,
		`mode ^ssh`:                                                           `no`,
		`none .*`:                                                             `no`,
		`{tls.none} .*`:                                                       `unknown`,
	} {
		if got := ask(contains(t, args)); got != want {
			t.Errorf("vars_regexp %s: %s, want %s", args, got, want)
		}
	}
}

func TestASetNamesTheCapturesThatHaveNoName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, set, want string }{
		{`{tls.cipher_suite} AES_(\d+)`, "aes", `yes 0="AES_256" 1="256" aes.0="AES_256" aes.1="256"`},
		{`key {tls.cipher_suite} AES_(\d+)`, "aes", `yes 0="AES_256" 1="256" key.0="AES_256" key.1="256"`},
		{`mode ^t(?<rest>.*)`, "a-name", `yes 0="tls" 1="ls" rest="ls"`},
		{`mode (t)(l)(s)|(a)(b)(c)(d)`, "mode", `yes 0="tls" 1="t" 2="l" 3="s" 4="" 5="" 6="" 7="" mode.0="tls" mode.1="t" mode.2="l" mode.3="s" mode.4="" mode.5="" mode.6="" mode.7=""`},
		{`mode (t)(l)(s)|(a)(b)(c)(d)(e)`, "mode", `yes 0="tls" 1="t" 2="l" 3="s" 4="" 5="" 6="" 7="" 8=""`},
		{`mode ^t`, "a_name_that_is_too_long_for_a_fact", `yes 0="t"`},
		{`mode ^t(?<a_group_with_a_long_name>.)`, "a_long_name", `yes 0="tl" 1="l" a_group_with_a_long_name="l"`},
	} {
		m := contains(t, c.args)
		m.(sdk.SetNamed).InSet(c.set)
		if got := ask(m); got != c.want {
			t.Errorf("vars_regexp %s in @%s: %s, want %s", c.args, c.set, got, c.want)
		}
	}
}

func TestWhatIsReadAndSetIsKnownAtLoad(t *testing.T) {
	t.Parallel()
	m := equals(t, "mode {l4.tls.server_name} {vars.host}-{tls.server_name}")
	if diff := cmp.Diff([]string{"tls.server_name", "vars.host", "vars.mode"}, m.(sdk.FactReader).Reads()); diff != "" {
		t.Errorf("Reads of vars (-want +got):\n%s", diff)
	}
	r := contains(t, `x {tls.cipher_suite} AES_(?<size>\d+)`)
	if diff := cmp.Diff([]string{"tls.cipher_suite"}, r.(sdk.FactReader).Reads()); diff != "" {
		t.Errorf("Reads of vars_regexp (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"regexp.x.0", "regexp.0", "regexp.x.1", "regexp.x.size", "regexp.1", "regexp.size"}, r.(sdk.FactSetter).Sets()); diff != "" {
		t.Errorf("Sets of vars_regexp (-want +got):\n%s", diff)
	}
}

func TestTheLawsHold(t *testing.T) {
	t.Parallel()
	for _, m := range []sdk.Matcher{equals(t, "mode tls"), equals(t, "none x"), contains(t, `x mode (t)`), contains(t, `mode (t)`)} {
		matchtest.Laws(t, m, flow(), nil, []byte("hello"))
	}
}

func TestWrongArgumentsSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"{mode} x":          `1:1: {mode} names no fact: write {vars.mode}, or a matcher's fact like {tls.server_name}`,
		"{tls.x x":          `1:1: "{tls.x" names no variable: write a name, or a placeholder like {tls.server_name}`,
		"{} x":              `1:1: "{}" names no variable: write a name, or a placeholder like {tls.server_name}`,
		"mode a{tls.x":      `1:2: "a{tls.x" has a brace without its partner: write a placeholder as {tls.server_name}`,
		"mode a{x}":         `1:2: {x} names no fact: write {vars.x}, or a matcher's fact like {tls.server_name}`,
		"regexp mode (":     "1:3: error parsing regexp: missing closing ): `(`",
		"regexp x} a":       `1:2: "x}" names no variable: write a name, or a placeholder like {tls.server_name}`,
		"regexp a.b mode x": `1:1: "a.b" cannot name captures: write letters a to z, digits and _`,
	} {
		make := vars.New
		if rest, ok := strings.CutPrefix(args, "regexp "); ok {
			make, args = vars.NewRegexp, rest
			if len(strings.Fields(rest)) == 2 {
				args = "n " + rest
			}
		}
		_, err := make(node("vars", args))
		if err == nil {
			t.Errorf("%s: no error", args)
			continue
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	matchtest.Allocs(t, equals(t, "mode ssh {tls.server_name} tls"), flow(), []byte("hello"))
}
