package captures_test

import (
	"strings"
	"testing"

	"dwaar.dev/dwaar/builtin/internal/captures"
	"dwaar.dev/dwaar/sdk"
	"github.com/google/go-cmp/cmp"
)

// facts keeps what was set.
type facts map[string]string

func (facts) Get(string) (string, bool)      { return "", false }
func (f facts) Set(key string, value []byte) { f[key] = string(value) }

func TestGroupsAreFactsByNumberAndByName(t *testing.T) {
	t.Parallel()
	p, err := captures.Compile("regexp.", sdk.Word{Text: "user"}, sdk.Word{Text: `^(?P<name>\w+)(@(\w+))?`})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("a", 1025)
	for text, want := range map[string]facts{
		"alice@example": {"regexp.user.0": "alice@example", "regexp.user.1": "alice", "regexp.user.name": "alice", "regexp.user.2": "@example", "regexp.user.3": "example"},
		"alice":         {"regexp.user.0": "alice", "regexp.user.1": "alice", "regexp.user.name": "alice", "regexp.user.2": "", "regexp.user.3": ""},
		"@":             {},
		long + "@x":     {"regexp.user.2": "@x", "regexp.user.3": "x"},
	} {
		got := facts{}
		var f sdk.Flow
		f.Bind(got)
		p.Set(&f, []byte(text))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		if matched := len(want) > 0; p.Match([]byte(text)) != matched || p.MatchString(text) != matched {
			t.Errorf("%q: Match and Set do not agree", text)
		}
	}
	keys := []string{"regexp.user.0", "regexp.user.1", "regexp.user.name", "regexp.user.2", "regexp.user.3"}
	if diff := cmp.Diff(keys, p.Keys()); diff != "" {
		t.Errorf("Keys (-want +got):\n%s", diff)
	}
}

func TestNamesThatCannotBeFactsAreErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, pattern, want string }{
		{"", "[", "2:2: error parsing regexp: missing closing ]: `[`"},
		{"a b", "x", `1:1: "a b" cannot name captures: write letters a to z, digits and _`},
		{"", "(?P<aB>x)", `2:2: "aB" cannot name a fact: write at most 25 letters a to z, digits and _`},
		{"abcdefghijklmnopqrstuvwxyz", "x", `1:1: "abcdefghijklmnopqrstuvwxyz" is too long to name captures: write at most 23 letters`},
	} {
		name := sdk.Word{Text: c.name, Pos: sdk.Pos{Line: 1, Col: 1}}
		_, err := captures.Compile("regexp.", name, sdk.Word{Text: c.pattern, Pos: sdk.Pos{Line: 2, Col: 2}})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s %s: %v\nwant %s", c.name, c.pattern, err, c.want)
		}
	}
}
