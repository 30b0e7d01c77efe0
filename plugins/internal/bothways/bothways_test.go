package bothways

import (
	"testing"

	"dwaar.dev/dwaar/builtin/http"
	"dwaar.dev/dwaar/builtin/postgres"
	"dwaar.dev/dwaar/builtin/ssh"
	"dwaar.dev/dwaar/builtin/tls"
	"dwaar.dev/dwaar/plugins/internal/plugintest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// root is the top of the repository seen from this directory.
const root = "../../.."

// pair is a matcher, natively and as a module.
type pair struct {
	line          string
	native, guest sdk.Matcher
}

// pairs makes matchers of each kind with several configurations. The module may take
// more than a plugin usually may: what is asked is whether it is right.
func pairs(t testing.TB) []pair {
	t.Helper()
	p := plugintest.Load(t, "builtins", plugintest.BuildGo(t, "testdata/builtins"), "fuel 50000000")
	var all []pair
	for _, kind := range []struct {
		name   string
		make   func(*sdk.Node) (sdk.Matcher, error)
		blocks []string
	}{
		// Without sni_regexp: its groups are facts that the arguments name, which a module
		// has no way to declare.
		{"tls", tls.New, []string{"", "sni app.example.com *.example.com", "alpn h2\nversion tls1.3", "ja4"}},
		{"ssh", ssh.New, []string{""}},
		{"http", http.New, []string{
			"", "host app.example.com", "method GET\npath /v1/* /node", "query page=2", "header user-agent curl*\nprotocol 1.1", "protocol 2",
		}},
		{"postgres", postgres.New, []string{"", "user alice planets_db\nclient psql"}},
	} {
		for _, block := range kind.blocks {
			line := "builtins." + kind.name + " {\n" + block + "\n}"
			n := plugintest.Node(t, line)
			n.Name = kind.name
			native, err := kind.make(n)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			all = append(all, pair{line, native, p.Matcher(t, line)})
		}
	}
	return all
}

// heads are first flights of all protocols; some of them where each takes long.
func heads(t testing.TB) [][]byte {
	t.Helper()
	all := plugintest.Heads(plugintest.Others(t, root))
	if !raceDetector {
		return all
	}
	var some [][]byte
	for i := 0; i < len(all); i += 8 {
		some = append(some, all[i])
	}
	return some
}

func TestBuiltinsAreTheSameAsModules(t *testing.T) {
	t.Parallel()
	for _, p := range pairs(t) {
		t.Run(p.line, func(t *testing.T) {
			t.Parallel()
			plugintest.Agree(t, p.native, p.guest, heads(t)...)
			if !raceDetector {
				matchtest.Laws(t, p.guest, matchtest.TCP(), heads(t)[:4]...)
			}
		})
	}
}

// FuzzBuiltins holds the module against the native matchers, on heads that nobody sent.
func FuzzBuiltins(f *testing.F) {
	if raceDetector {
		f.Skip("the test asks about the same heads, and the module takes long to load")
	}
	all := pairs(f)
	for _, head := range heads(f) {
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		if len(head) > 2<<10 {
			return
		}
		for _, p := range all {
			plugintest.Agree(t, p.native, p.guest, head)
		}
	})
}
