package builtin_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// The cross table asks every registered matcher about every capture below
// testdata/flights, as the first bytes of a stream and as a datagram. The first directory
// of a capture's path is the matcher that it belongs to: that one says Yes in one of the
// two, and nobody else says it in any. A matcher or a capture that is added appears here by
// itself.

// exception is a place where the table is not as one would think.
type exception struct {
	matcher string
	capture string // a pattern of path.Match
	yes     bool   // the matcher says Yes to what is not its own; otherwise it does not to its own
	why     string
}

func exceptions() []exception {
	return []exception{}
}

// written returns how a matcher is written that needs arguments: as one that no capture
// fulfils where it does not look at the bytes of a protocol.
func written(t *testing.T) map[string]string {
	t.Helper()
	list := filepath.Join(t.TempDir(), "list")
	writeFile(t, list, []byte("203.0.113.0/24\n"))
	return map[string]string{
		"remote_ip":      "remote_ip 203.0.113.0/24",
		"local_ip":       "local_ip 203.0.113.0/24",
		"remote_ip_list": "remote_ip_list " + list,
		"clock":          "clock after 18:00",        // the flows of matchtest are accepted at noon
		"openvpn":        "openvpn ignore_timestamp", // captures were made at their own time
		"regexp":         `regexp ^\x00nobody\x00 8`,
		"vars":           "vars tenant blue",
		"vars_regexp":    "vars_regexp tenant ^blue$",
		"map":            "map tenants", // which made declares
	}
}

// asked is a matcher of the table.
type asked struct {
	name string
	sdk.Matcher
}

// everyMatcher makes one of each.
func everyMatcher(t *testing.T) []asked {
	t.Helper()
	texts := written(t)
	var all []asked
	for _, e := range registry().Matchers() {
		text := texts[e.Spec.Name]
		if text == "" {
			text = e.Spec.Name
			if e.Spec.Need || slices.ContainsFunc(e.Spec.Args, func(a sdk.Arg) bool { return a.Min > 0 }) {
				t.Errorf("%s needs arguments: add how it is written in the table to written", text)
				continue
			}
		}
		all = append(all, asked{e.Spec.Name, made(t, e, text)})
	}
	return all
}

// made makes the matcher of a line.
func made(t *testing.T, e host.MatcherEntry, text string) sdk.Matcher {
	t.Helper()
	src := "layer4 {\n\t:1 {\n\t\t@set " + text + "\n\t}\n}\n"
	tree, err := parse("Dwaarfile", []byte(src), graph.Grammar(registry()))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	set := tree[0].Block[0].Block[0]
	file := filepath.Join(t.TempDir(), "map")
	writeFile(t, file, []byte("blue 127.0.0.1:1\n"))
	tenants := sdk.Node{
		Name: "map", Args: []sdk.Word{{Text: "tenants"}, {Text: file}},
		Block: []sdk.Node{{Name: "from", Args: []sdk.Word{{Text: "{vars.tenant}"}}}},
	}
	m, err := e.New(&hosttest.Builder{Options: []sdk.Node{tenants}}, &set.Block[0])
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

// captures returns all of them, by their path below testdata/flights: NAME.1.bin, NAME.2.bin
// and so on are the datagrams of one, NAME.
func captures(t *testing.T) map[string][][]byte {
	t.Helper()
	all := map[string][][]byte{}
	dir := os.DirFS("../testdata/flights")
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".bin" {
			return err
		}
		b, err := fs.ReadFile(dir, name)
		name = strings.TrimSuffix(name, ".bin")
		if number := path.Ext(name); number != "" && strings.Trim(number, ".0123456789") == "" {
			name = strings.TrimSuffix(name, number)
		}
		all[name] = append(all[name], b)
		return err
	})
	if err != nil || len(all) < 50 {
		t.Fatalf("%d captures, error %v", len(all), err)
	}
	return all
}

// saysYes asks a matcher about a capture in both ways.
func saysYes(t *testing.T, m asked, name string, parts [][]byte) bool {
	t.Helper()
	stream, datagrams := matchtest.TCP(), matchtest.UDP()
	for _, b := range parts {
		datagrams.Head = append(datagrams.Head, b...)
		datagrams.Bounds = append(datagrams.Bounds, len(datagrams.Head))
	}
	stream.Head = datagrams.Head[:min(len(datagrams.Head), stream.MaxHead)]
	yes := false
	for _, f := range []*sdk.Flow{&stream, &datagrams} {
		r := matchtest.Ask(m, f)
		if r.Answer.Err != nil {
			t.Errorf("%s on %s over %s: %v", m.name, name, f.Network, r)
		}
		yes = yes || r.Answer.Verdict == sdk.Yes
	}
	return yes
}

func TestOnlyTheOwnMatcherSaysYesToACapture(t *testing.T) {
	list := exceptions()
	used := make([]bool, len(list))
	matchers := everyMatcher(t)
	for name, b := range captures(t) {
		owner, _, _ := strings.Cut(name, "/")
		for _, m := range matchers {
			want, got := m.name == owner, saysYes(t, m, name, b)
			if got == want {
				continue
			}
			i := slices.IndexFunc(list, func(e exception) bool {
				hit, _ := path.Match(e.capture, name)
				return hit && e.matcher == m.name && e.yes == got
			})
			if i >= 0 {
				used[i] = true
				continue
			}
			t.Errorf("%s on %s: says yes %v, want %v: mend the matcher, or list the exception with its reason", m.name, name, got, want)
		}
	}
	for i, e := range list {
		if !used[i] || e.why == "" {
			t.Errorf("the exception of %s on %s is none, or has no reason", e.matcher, e.capture)
		}
	}
}
