package route

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFactsBeginAnewAndKeepNothing(t *testing.T) {
	t.Parallel()
	var f Facts
	f.PutString("a", "x", "one")
	f.PutString("a", "y", "two")
	f.PutString("a", "x", "three")
	all := func() map[string]string {
		m := map[string]string{}
		for name, value := range f.All() {
			if m[name] != "" {
				t.Errorf("%s is told twice", name)
			}
			m[name] = value
		}
		return m
	}
	if diff := cmp.Diff(map[string]string{"a.x": "three", "a.y": "two"}, all()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	kept := f.Compact()
	for range f.All() {
		break // whoever has found what it looks for stops
	}
	f.Truncate(2)
	if diff := cmp.Diff(map[string]string{"a.x": "one", "a.y": "two"}, all()); diff != "" || f.Len() != 2 {
		t.Errorf("after Truncate %d (-want +got):\n%s", f.Len(), diff)
	}
	f.Truncate(3) // there are fewer
	f.Reset()
	if _, known := f.Get("a.x"); known || f.Len() != 0 || len(all()) != 0 {
		t.Errorf("after Reset there are %v", all())
	}
	for i := range MaxFacts {
		if !f.PutString("b", fmt.Sprint(i), "") {
			t.Fatalf("there is no room for fact %d", i)
		}
	}
	if f.PutString("b", "more", "") {
		t.Error("there is room for more than there may be")
	}
	f.Reset()
	if !f.PutString("b", "all", strings.Repeat("x", MaxFactBytes)) || f.PutString("b", "more", "x") {
		t.Error("the bytes have another bound")
	}
	if v, _ := kept.Get("a.x"); v != "three" || kept.Len() != 3 {
		t.Errorf("the copy says %q of %d", v, kept.Len())
	}
	for _, name := range []string{"a.", "a.xx", "ax", ".x", "b.x", "a-x", ""} {
		if _, known := kept.Get(name); known {
			t.Errorf("%q is known", name)
		}
	}
}
