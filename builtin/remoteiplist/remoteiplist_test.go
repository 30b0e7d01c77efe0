package remoteiplist_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/remoteiplist"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/watch"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func node(file string) *sdk.Node {
	return &sdk.Node{Name: "remote_ip_list", Args: []sdk.Word{{Text: file, Pos: sdk.Pos{Line: 1, Col: 16}}}}
}

// put replaces a file by renaming another one.
func put(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// list makes the matcher of a list.
func list(t testing.TB, text string) sdk.Matcher {
	t.Helper()
	name := filepath.Join(t.TempDir(), "list")
	put(t, name, text)
	return open(t, name)
}

func open(t testing.TB, name string) sdk.Matcher {
	t.Helper()
	m, err := remoteiplist.New(node(name))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func ask(m sdk.Matcher, addr string) sdk.Verdict {
	f := matchtest.TCP()
	f.Remote = netip.AddrPort{}
	if addr != "" {
		f.Remote = netip.AddrPortFrom(netip.MustParseAddr(addr), 4711)
	}
	return matchtest.Ask(m, &f).Answer.Verdict
}

const offices = `# offices
192.0.2.0/24      # Berlin
2001:db8:17::/48 // Paris
	203.0.113.7	; the one with the printer

// nobody
;10.0.0.0/8
198.51.100.1/24#masked
::ffff:198.18.0.0/112
private_ranges
100.64.0.1` // the last line may have no end

func TestAListHoldsRangesAddressesAndComments(t *testing.T) {
	t.Parallel()
	for _, text := range []string{offices, strings.ReplaceAll(offices, "\n", "\r\n")} {
		m := list(t, text)
		for addr, want := range map[string]sdk.Verdict{
			"192.0.2.255":     sdk.Yes,
			"192.0.3.0":       sdk.No,
			"2001:db8:17::1":  sdk.Yes,
			"2001:db8:18::1":  sdk.No,
			"203.0.113.7":     sdk.Yes,
			"203.0.113.8":     sdk.No,
			"198.51.100.200":  sdk.Yes,
			"198.18.255.1":    sdk.Yes,
			"10.0.0.1":        sdk.Yes, // private
			"100.64.0.1":      sdk.Yes,
			"100.64.0.2":      sdk.No,
			"":                sdk.Unknown,
			"2001:db8:17:f::": sdk.Yes,
		} {
			if got := ask(m, addr); got != want {
				t.Errorf("%q: %v, want %v", addr, got, want)
			}
		}
	}
	if got := ask(list(t, "# nobody yet\n"), "192.0.2.1"); got != sdk.No {
		t.Errorf("an empty list: %v", got)
	}
}

func TestWrongLinesAreNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.0.0.0/8\n\n  office\n1.2.3\n": `LIST:3:3: "office" is no address or CIDR range like 10.0.0.0/8: begin a comment with #
LIST:4:1: "1.2.3" is no address or CIDR range like 10.0.0.0/8: begin a comment with #`,
		"10.0.0.0//8":              `LIST:1:1: "10.0.0.0//8" is no address or CIDR range like 10.0.0.0/8: begin a comment with #`,
		"10.0.0.0/33":              `LIST:1:1: "10.0.0.0/33" is no address or CIDR range like 10.0.0.0/8: begin a comment with #`,
		"10.0.0.1 10.0.0.2":        `LIST:1:1: "10.0.0.1 10.0.0.2" is no address or CIDR range like 10.0.0.0/8: begin a comment with #`,
		"fe80::1%eth0":             `LIST:1:1: "fe80::1%eth0" is no address or CIDR range like 10.0.0.0/8: begin a comment with #`,
		"{env.OFFICE}":             `LIST:1:1: "{env.OFFICE}" is no address or CIDR range like 10.0.0.0/8: begin a comment with #`,
		strings.Repeat("x", 1<<20): `LIST:1:1: "` + strings.Repeat("x", 60) + `…" is no address or CIDR range like 10.0.0.0/8: begin a comment with #`,
	} {
		name := filepath.Join(t.TempDir(), "list")
		put(t, name, text)
		_, err := remoteiplist.New(node(name))
		got := ""
		if err != nil {
			got = strings.ReplaceAll(err.Error(), name, "LIST")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%.40q (-want +got):\n%s", text, diff)
		}
	}
	name := filepath.Join(t.TempDir(), "list")
	put(t, name, "")
	if err := os.Truncate(name, 32<<20+1); err != nil {
		t.Fatal(err)
	}
	if _, err := remoteiplist.New(node(name)); err == nil || err.Error() != "1:16: remote_ip_list: reading "+name+": it is longer than 33554432 bytes: the file is too long" {
		t.Errorf("a file that is too long: %v", err)
	}
	put(t, name, strings.Repeat("x\n", 100))
	if _, err := remoteiplist.New(node(name)); err == nil || strings.Count(err.Error(), "\n") != 9 {
		t.Errorf("of a hundred wrong lines, %v", err)
	}
}

func TestAFileThatIsMissingIsAWarningAndNobodyMatchesNorDoesNot(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "list")
	m := open(t, name)
	want := "1:16: remote_ip_list " + name + ": the file is missing: until it is there nobody matches, nobody matches the negation, and deny turns everybody away"
	if got := m.(sdk.Warner).Warnings().Error(); got != want {
		t.Errorf("got %s", got)
	}
	if got := ask(m, "192.0.2.1"); got != sdk.Unknown {
		t.Errorf("%v", got)
	}
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, m)
		defer f.stop()
		if log := f.wait(); !strings.Contains(log, "level=ERROR") {
			t.Errorf("it is not logged: %q", log)
		}
		put(t, name, "192.0.2.1")
		f.wait()
		if ask(m, "192.0.2.1") != sdk.Yes || ask(m, "192.0.2.2") != sdk.No {
			t.Error("the list is there and is not used")
		}
	})
	if _, err := remoteiplist.New(node(filepath.Join(name, "elsewhere", "list"))); err == nil {
		t.Error("a directory that is missing is taken")
	}
}

// followed is a matcher that runs, with the time it needs passing at once.
type followed struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan error

	mu  sync.Mutex
	log bytes.Buffer
}

func (f *followed) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Write(p)
}

// follow runs a matcher.
func follow(t *testing.T, m sdk.Matcher) *followed {
	f := &followed{t: t, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(host.WithLog(t.Context(), slog.New(slog.NewTextHandler(f, nil))))
	f.cancel = cancel
	go func() { f.done <- m.(host.Actor).Run(ctx) }()
	return f
}

// wait lets three looks pass and returns what was logged.
func (f *followed) wait() string {
	time.Sleep(3*watch.Longest + time.Millisecond)
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.log.Reset()
	return f.log.String()
}

func (f *followed) stop() {
	f.cancel()
	if err := <-f.done; err != nil {
		f.t.Error(err)
	}
}

func TestTheFileIsFollowed(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "list")
	put(t, name, "192.0.2.1")
	m := open(t, name)
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, m)
		defer f.stop()
		for _, step := range []struct {
			text   string // the new content
			listed string // who is listed then
			log    string
		}{
			{"192.0.2.2\n192.0.2.3\n", "192.0.2.2", "level=INFO msg=\"address list replaced\""},
			{"192.0.2.4\noffice\n", "192.0.2.2", "level=ERROR msg=\"address list not read"},
			{"192.0.2.5\n", "192.0.2.5", "level=INFO"},
		} {
			put(t, name, step.text)
			if log := f.wait(); strings.Count(log, "\n") != 1 || !strings.Contains(log, step.log) {
				t.Errorf("after %q it logs %q, want one line with %s", step.text, log, step.log)
			}
			if log := f.wait(); log != "" {
				t.Errorf("after %q it logs again: %q", step.text, log)
			}
			if ask(m, step.listed) != sdk.Yes || ask(m, "192.0.2.1") != sdk.No || ask(m, "192.0.2.4") != sdk.No {
				t.Errorf("after %q: %v", step.text, ask(m, step.listed))
			}
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if log := f.wait(); strings.Count(log, "\n") != 1 || ask(m, "192.0.2.5") != sdk.Yes {
			t.Errorf("a file that is gone: %q, %v", log, ask(m, "192.0.2.5"))
		}
	})
}

// TestAListInAVolumeIsFollowed swaps the link that a Kubernetes volume swaps.
func TestAListInAVolumeIsFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for day, text := range map[string]string{"..monday": "192.0.2.1", "..tuesday": "192.0.2.2"} {
		if err := os.Mkdir(filepath.Join(dir, day), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, day, "list"), text)
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..monday", "..data")
	link(filepath.Join("..data", "list"), "list")
	m := open(t, filepath.Join(dir, "list"))
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, m)
		defer f.stop()
		link("..tuesday", "..data_tmp")
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
		f.wait()
		if ask(m, "192.0.2.1") != sdk.No || ask(m, "192.0.2.2") != sdk.Yes {
			t.Error("the old list is still used")
		}
	})
}

// TestListsAreReplacedWhole asks while the list changes between two that have one address
// in common and one each.
func TestListsAreReplacedWhole(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "list")
	put(t, name, "192.0.2.1\n192.0.2.9\n")
	m := open(t, name)
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, m)
		defer f.stop()
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			for range 2000 {
				if ask(m, "192.0.2.9") != sdk.Yes {
					t.Error("half a list is used")
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		for i := range 3 {
			put(t, name, fmt.Sprintf("192.0.2.%d\n192.0.2.9\n", i+2))
			f.wait()
		}
		<-asked
	})
}

func TestTheLawsHold(t *testing.T) {
	t.Parallel()
	matchtest.Laws(t, list(t, offices), matchtest.TCP(), nil, []byte("hello"))
	matchtest.Laws(t, list(t, "192.0.2.1"), matchtest.UDP(), []byte("hello"))
}

func TestAskingAllocatesNothing(t *testing.T) {
	matchtest.Allocs(t, list(t, offices), matchtest.TCP(), []byte("hello"))
}

// FuzzList reads anything as a list: it is refused with a place in every line, or what
// it lists is found.
func FuzzList(f *testing.F) {
	f.Add(offices)
	f.Add("10.0.0.0//8\n::1/129")
	f.Add("\ufeff10.0.0.0/8")
	f.Fuzz(func(t *testing.T, text string) {
		name := filepath.Join(t.TempDir(), "list")
		put(t, name, text)
		m, err := remoteiplist.New(node(name))
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, name+":") {
					t.Errorf("%q has no place", line)
				}
			}
			return
		}
		for line := range strings.Lines(text) {
			if addr, err := netip.ParseAddr(strings.TrimSpace(line)); err == nil && ask(m, addr.Unmap().String()) != sdk.Yes {
				t.Errorf("%s is listed and not found", addr)
			}
		}
	})
}

func BenchmarkOneOfAHundredThousandRanges(b *testing.B) {
	var text strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&text, "%s/24\n", netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), 0}))
	}
	m, f := list(b, text.String()), matchtest.TCP()
	f.Remote = netip.MustParseAddrPort("20.200.7.9:1")
	b.ReportAllocs()
	for b.Loop() {
		if v, _ := m.Match(&f); v != sdk.Yes {
			b.Fatal(v)
		}
	}
}
