package engine

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"dwaar.dev/dwaar/host/engine/internal/listen"
	"dwaar.dev/dwaar/host/graph"
)

func TestFilesThatWereGivenAwayAreTakenBackIfAnotherCannotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var o listen.Opener
	was := graph.Access{Mode: 0o600, Owner: -1, Group: -1}
	p := new(plan)
	for _, name := range []string{"1", "2"} {
		path := filepath.Join(dir, name)
		ln, err := o.Open(t.Context(), listen.Spec{Network: "unix", Path: path}, listen.Access(was), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		s := newSocket(ln)
		s.target.Store(&target{
			account: &account{listener: name},
			server:  &graph.Server{Listeners: []graph.Listener{{Name: name, Access: was}}},
		})
		p.seats = append(p.seats, seat{socket: s, listener: &graph.Listener{Name: name, Access: graph.Access{Mode: 0o666, Owner: -1, Group: -1}}})
	}
	if err := os.Remove(filepath.Join(dir, "2")); err != nil { // in this very moment
		t.Fatal(err)
	}
	if err := p.grant(); err == nil {
		t.Error("a file that is not there was given away")
	}
	info, err := os.Lstat(filepath.Join(dir, "1"))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != fs.FileMode(0o600) {
		t.Errorf("the other one has the mode %o, want what it had", got)
	}
}
