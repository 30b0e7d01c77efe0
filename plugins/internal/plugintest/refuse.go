package plugintest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// Matchers makes a matcher of each line, as [Golden] takes them.
func (p *Plugin) Matchers(t testing.TB, lines ...string) map[string]sdk.Matcher {
	t.Helper()
	matchers := make(map[string]sdk.Matcher, len(lines))
	for _, line := range lines {
		matchers[line] = p.Matcher(t, line)
	}
	return matchers
}

// AllRefused compares what is wrong with lines, by line, with what the user reads of
// it: "4:7: redis: needs a value", as if the line were the fourth of a Dwaarfile.
func (p *Plugin) AllRefused(t testing.TB, lines map[string]string) {
	t.Helper()
	for line, want := range lines {
		if diff := cmp.Diff("Dwaarfile:"+want, p.Refused(t, line)); diff != "" {
			t.Errorf("%.60s (-want +got):\n%s", line, diff)
		}
	}
}

// signature begins a PROXY header of version 2 (section 2.2 of its specification), with two
// empty lines. Servers of line protocols pass over these, so that a matcher cannot always
// say No to what follows.
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// refused reports whether an answer to another protocol's head is one that may be given.
func refused(got, head string) bool {
	return got == "no" || len(head) <= 3 || got == "unknown" && strings.HasPrefix(head, signature)
}

// NoOther checks that the plugin of the protocol name, in a test beside it, says no to
// clients of all others, on connections like each of the flows: those of the builtin
// matchers and those of other plugins, as far as they say more than three bytes.
func NoOther(t testing.TB, m sdk.Matcher, name string, flows ...sdk.Flow) {
	t.Helper()
	const root = "../.."
	others := Others(t, root, name)
	dirs, err := filepath.Glob(root + "/plugins/*/testdata/samples")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if filepath.Base(filepath.Dir(filepath.Dir(dir))) != name {
			others = append(others, Samples(t, dir)...)
		}
	}
	for _, s := range others {
		for _, f := range flows {
			f.Head = s.Head
			if f.Network == "udp" {
				f.Bounds = []int{len(s.Head)}
			}
			if got := matchtest.Ask(m, &f).String(); !refused(got, string(s.Head)) {
				t.Errorf("%s over %s: %v", s.Name, f.Network, got)
			}
		}
	}
}
