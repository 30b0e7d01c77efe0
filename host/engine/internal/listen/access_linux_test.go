package listen_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dwaar.dev/dwaar/host/engine/internal/listen"
)

// whose describes a file: mode, owner, group.
func whose(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%04o %d:%d", info.Mode().Perm(), st.Uid, st.Gid)
}

func TestASocketFileIsForThoseThatItsAccessSays(t *testing.T) {
	t.Parallel()
	at := listen.Spec{Network: "unix", Path: filepath.Join(t.TempDir(), "s")}
	me, us := os.Geteuid(), os.Getegid()
	plain := open(t, new(listen.Opener), at)
	before := whose(t, at.Path)
	plain.Close()

	s, err := new(listen.Opener).Open(t.Context(), at, listen.Access{Mode: 0o660, Owner: -1, Group: -1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, step := range []struct {
		access listen.Access
		want   string
		root   bool // only root may
	}{
		{listen.Access{Mode: 0o660, Owner: -1, Group: -1}, fmt.Sprintf("0660 %d:%d", me, us), false},
		{listen.Access{Mode: 0o666, Owner: me, Group: us}, fmt.Sprintf("0666 %d:%d", me, us), false},
		{listen.Access{Mode: 0o620, Owner: -1, Group: 4711}, fmt.Sprintf("0620 %d:4711", me), true},
		{listen.Access{Mode: 0o620, Owner: 4712, Group: -1}, fmt.Sprintf("0620 4712:%d", us), true},
		{asIs(), before, false}, // a reload leaves all of it out
	} {
		if step.root && me != 0 {
			continue
		}
		if err := s.Grant(step.access); err != nil {
			t.Fatal(err)
		}
		if got := whose(t, at.Path); got != step.want {
			t.Errorf("%v: the file is %s, want %s", step.access, got, step.want)
		}
	}
}

func TestWhatIsNotOurSocketFileIsNotGivenAway(t *testing.T) {
	t.Parallel()
	at := listen.Spec{Network: "unix", Path: filepath.Join(t.TempDir(), "s")}
	s := open(t, new(listen.Opener), at)
	if s.Gone() {
		t.Error("the file is gone")
	}
	if err := os.Remove(at.Path); err != nil {
		t.Fatal(err)
	}
	if !s.Gone() {
		t.Error("the file was removed, and is not gone")
	}
	if err := os.WriteFile(at.Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !s.Gone() {
		t.Error("another file is in its place, and it is not gone")
	}
	if err := s.Grant(listen.Access{Mode: 0o666, Owner: -1, Group: -1}); err == nil || !strings.Contains(err.Error(), "not the socket that was made") {
		t.Errorf("granting: %v", err)
	}
	if got := whose(t, at.Path); !strings.HasPrefix(got, "0600") {
		t.Errorf("the other file is %s", got)
	}
	abstract := open(t, new(listen.Opener), listen.Spec{Network: "unix", Path: "@dwaar-access-test"})
	if abstract.Gone() || abstract.Grant(asIs()) != nil {
		t.Error("a name without a file has one")
	}
}
