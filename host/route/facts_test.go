package route

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheLatestFactOfANameCounts(t *testing.T) {
	t.Parallel()
	var fs Facts
	fs.Put("tls", "version", []byte("1.2"))
	fs.Put("http", "host", []byte("a"))
	mark := fs.Len()
	fs.PutString("tls", "version", "1.3")
	got := map[string]string{}
	for name, v := range fs.All() {
		got[name] = v
	}
	if diff := cmp.Diff(map[string]string{"tls.version": "1.3", "http.host": "a"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	fs.Truncate(mark)
	if v, _ := fs.Get("tls.version"); v != "1.2" {
		t.Errorf("after truncation %q", v)
	}
	for _, wrong := range []string{"tls", "tls.", "tlsversion", "tls.version2", "ls.version", ""} {
		if v, ok := fs.Get(wrong); ok {
			t.Errorf("%q is %q", wrong, v)
		}
	}
}

func TestFactsAreBounded(t *testing.T) {
	t.Parallel()
	var fs Facts
	if fs.Put("x", "big", make([]byte, MaxFactBytes+1)) {
		t.Error("took more bytes than it may")
	}
	n := 0
	for fs.Put("x", "k", []byte("v")) {
		n++
	}
	if n != MaxFacts {
		t.Errorf("took %d facts", n)
	}
}
