package keys

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/terminate/internal/certtest"
	"dwaar.dev/dwaar/host/watch"
)

// kit is a directory with an authority beside it.
type kit struct {
	*testing.T
	ca  *certtest.CA
	dir string
	log bytes.Buffer
}

func newKit(t *testing.T) *kit {
	t.Parallel()
	return &kit{T: t, ca: certtest.NewCA(t), dir: t.TempDir()}
}

// pair writes a pair for a name.
func (k *kit) pair(file string, l certtest.Leaf) Files {
	k.Helper()
	cert, key := k.ca.Issue(k, l).Write(k, k.dir, file)
	return Files{Cert: cert, Key: key, Name: file}
}

func (k *kit) open(sources ...Source) *Ring {
	k.Helper()
	r, faults := Open(sources)
	if faults != nil {
		k.Fatalf("opening: %v", faults)
	}
	return r
}

// look is what the watcher does every two seconds.
func (k *kit) look(r *Ring) {
	r.look(slog.New(slog.NewTextHandler(&k.log, nil)))
}

// serial is the number of the first certificate for a name; 0: there is none.
func serial(r *Ring, name string) int64 {
	if found := r.Find(name); len(found) > 0 {
		return found[0].Leaf.SerialNumber.Int64()
	}
	return 0
}

func TestExactNamesComeBeforeWildcardsOfOneLabel(t *testing.T) {
	k := newKit(t)
	r := k.open(
		Source{Files: []Files{k.pair("wild", certtest.Leaf{Names: []string{"*.Example.com"}, Serial: 2})}},
		Source{Files: []Files{k.pair("exact", certtest.Leaf{Names: []string{"www.example.com", "192.0.2.1"}, Serial: 3})}},
		Source{Names: []string{"other.test"}, Files: []Files{k.pair("named", certtest.Leaf{Names: []string{"hidden.test"}, Serial: 4})}},
	)
	got := map[string]int64{}
	for _, name := range []string{
		"www.example.com", "api.example.com", "a.b.example.com", "example.com", "192.0.2.1", "other.test", "hidden.test", "",
	} {
		got[name] = serial(r, name)
	}
	want := map[string]int64{
		"www.example.com": 3, "api.example.com": 2, "a.b.example.com": 0, "example.com": 0,
		"192.0.2.1": 3, "other.test": 4, "hidden.test": 0, "": 0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOfSeveralForOneNameTheCheapKindsComeFirstAndThenTheFresher(t *testing.T) {
	k := newKit(t)
	now := time.Now()
	names := []string{"a.example"}
	r := k.open(Source{Files: []Files{
		k.pair("1", certtest.Leaf{Names: names, Kind: "rsa", Serial: 1}),
		k.pair("2", certtest.Leaf{Names: names, Kind: "ed25519", Serial: 2}),
		k.pair("3", certtest.Leaf{Names: names, Serial: 3, Ends: now.Add(time.Hour)}),
		k.pair("4", certtest.Leaf{Names: names, Serial: 4, Ends: now.Add(2 * time.Hour)}),
	}})
	var got []int64
	for _, c := range r.Find("a.example") {
		got = append(got, c.Leaf.SerialNumber.Int64())
	}
	if diff := cmp.Diff([]int64{4, 3, 2, 1}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDirectoriesAreReadAsPeopleAndCertbotKeepThem(t *testing.T) {
	k := newKit(t)
	issue := func(name string) *certtest.Issued {
		return k.ca.Issue(t, certtest.Leaf{Names: []string{name}})
	}
	issue("one.example").Write(t, k.dir, "one")
	both := issue("two.example")
	certtest.Put(t, filepath.Join(k.dir, "two.pem"), append(both.CertPEM, both.KeyPEM...))
	split := issue("three.example")
	certtest.Put(t, filepath.Join(k.dir, "three.pem"), split.CertPEM)
	certtest.Put(t, filepath.Join(k.dir, "three.key"), split.KeyPEM)
	archive := t.TempDir()
	live := issue("four.example")
	cert, key := live.Write(t, archive, "1")
	if err := os.Mkdir(filepath.Join(k.dir, "four.example"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"fullchain.pem": cert, "privkey.pem": key} {
		if err := os.Symlink(to, filepath.Join(k.dir, "four.example", name)); err != nil {
			t.Fatal(err)
		}
	}
	k.ca.Issue(t, certtest.Leaf{}).Write(t, k.dir, "five.example") // names nobody: its file does
	for _, passed := range []string{"README", ".hidden.crt", "dhparam.pem", "request.csr"} {
		certtest.Put(t, filepath.Join(k.dir, passed), []byte("nothing"))
	}
	found, err := NewDir(k.dir).List()
	if err != nil {
		t.Fatal(err)
	}
	got := k.open(Source{Files: found.Pairs, Dir: NewDir(k.dir)}).Names()
	want := []string{"five.example", "four.example", "one.example", "three.example", "two.example"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	found, err = NewDir(filepath.Join(k.dir, "four.example")).List()
	if err != nil || len(found.Pairs) != 1 || found.Pairs[0].Name != "four.example" {
		t.Errorf("one of certbot's directories itself: %v, %v", found, err)
	}
}

func TestWhatCannotBeReadIsSaidWithItsFile(t *testing.T) {
	k := newKit(t)
	good := k.pair("good", certtest.Leaf{Names: []string{"a.example"}})
	other := k.pair("other", certtest.Leaf{Names: []string{"a.example"}})
	empty := filepath.Join(k.dir, "empty")
	certtest.Put(t, empty, nil)
	locked := filepath.Join(k.dir, "locked")
	certtest.Put(t, locked, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"))
	long := filepath.Join(k.dir, "long")
	certtest.Put(t, long, bytes.Repeat([]byte("x"), 1<<20+1))
	for want, f := range map[string]Files{
		"no such file":           {Cert: filepath.Join(k.dir, "absent"), Key: good.Key},
		"the key does not belon": {Cert: good.Cert, Key: other.Key},
		"empty: failed to find":  {Cert: empty, Key: good.Key},
		"good.crt: ":             {Cert: good.Cert, Key: good.Cert},
		"type a passphrase":      {Cert: good.Cert, Key: locked},
		"is longer than":         {Cert: long, Key: good.Key},
	} {
		_, faults := Open([]Source{{Files: []Files{good}}, {Files: []Files{f}}})
		if len(faults) != 1 || faults[0].Source != 1 || !strings.Contains(faults.Error(), want) {
			t.Errorf("want %q of source 1, got %v", want, faults)
		}
	}
	for want, prepare := range map[string]func(dir string){
		"no certificate: put":   func(string) {},
		"no certificate in PEM": func(dir string) { certtest.Put(t, filepath.Join(dir, "a.crt"), nil) },
		"put it into ": func(dir string) {
			certtest.Put(t, filepath.Join(dir, "a.pem"), k.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}}).CertPEM)
		},
		"it holds no certificate": func(dir string) { certtest.Put(t, filepath.Join(dir, "ca.pem"), k.ca.PEM) },
		"no such file":            func(dir string) { _ = os.Remove(dir) },
	} {
		dir := t.TempDir()
		prepare(dir)
		if _, err := NewDir(dir).List(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestANewPairIsUsedAtTheNextLookAlsoWhenItsFilesCameOneByOne(t *testing.T) {
	k := newKit(t)
	f := k.pair("a", certtest.Leaf{Names: []string{"a.example"}, Serial: 1})
	r := k.open(Source{Files: []Files{f}})
	next := k.ca.Issue(t, certtest.Leaf{Names: []string{"a.example", "b.example"}, Serial: 2})
	certtest.Put(t, f.Cert, next.CertPEM)
	k.look(r)
	if got := serial(r, "a.example"); got != 1 {
		t.Errorf("half of a pair is in use: %d", got)
	}
	certtest.Put(t, f.Key, next.KeyPEM)
	k.look(r)
	if got := [2]int64{serial(r, "a.example"), serial(r, "b.example")}; got != [2]int64{2, 2} {
		t.Errorf("in use are %v", got)
	}
	if log := k.log.String(); strings.Contains(log, "ERROR") || strings.Count(log, "certificate replaced") != 1 {
		t.Errorf("logged:\n%s", log)
	}
}

func TestABrokenPairKeepsTheOldOneAndIsSaidOnce(t *testing.T) {
	k := newKit(t)
	f := k.pair("a", certtest.Leaf{Names: []string{"a.example"}, Serial: 1})
	r := k.open(Source{Files: []Files{f}})
	certtest.Put(t, f.Cert, []byte("broken"))
	for range 5 {
		k.look(r)
	}
	if got := serial(r, "a.example"); got != 1 {
		t.Errorf("in use is %d", got)
	}
	if log := k.log.String(); strings.Count(log, "ERROR") != 1 {
		t.Errorf("logged:\n%s", log)
	}
	if faults := r.Refresh(); len(faults) != 1 {
		t.Errorf("loading again says %v", faults)
	}
	certtest.Put(t, f.Cert, []byte("broken in another way"))
	k.look(r)
	k.look(r)
	if log := k.log.String(); strings.Count(log, "ERROR") != 2 {
		t.Errorf("another fault is said too, logged:\n%s", log)
	}
	k.pair("a", certtest.Leaf{Names: []string{"a.example"}, Serial: 2})
	k.look(r)
	if got := serial(r, "a.example"); got != 2 || r.Refresh() != nil {
		t.Errorf("in use is %d", got)
	}
}

func TestFilesThatGoKeepTheirCertificate(t *testing.T) {
	k := newKit(t)
	f := k.pair("a", certtest.Leaf{Names: []string{"a.example"}, Serial: 1})
	found, err := NewDir(k.dir).List()
	if err != nil {
		t.Fatal(err)
	}
	r := k.open(Source{Files: found.Pairs, Dir: NewDir(k.dir)})
	if err := os.Remove(f.Cert); err != nil {
		t.Fatal(err)
	}
	k.look(r)
	k.look(r)
	if got := serial(r, "a.example"); got != 1 || !strings.Contains(k.log.String(), "the old one stays") {
		t.Errorf("in use is %d, logged:\n%s", got, k.log.String())
	}
}

func TestPairsThatAppearInADirectoryAreUsed(t *testing.T) {
	k := newKit(t)
	k.pair("a", certtest.Leaf{Names: []string{"a.example"}, Serial: 1})
	found, err := NewDir(k.dir).List()
	if err != nil {
		t.Fatal(err)
	}
	r := k.open(Source{Files: found.Pairs, Dir: NewDir(k.dir)})
	k.pair("b", certtest.Leaf{Names: []string{"b.example"}, Serial: 2})
	k.look(r)
	if got := [2]int64{serial(r, "a.example"), serial(r, "b.example")}; got != [2]int64{1, 2} {
		t.Errorf("in use are %v", got)
	}
}

func TestPoolsFollowTheirFilesAndKeepTheLastGoodOnes(t *testing.T) {
	k := newKit(t)
	file := filepath.Join(k.dir, "ca.pem")
	if _, err := OpenPool([]string{file}); err == nil {
		t.Error("a pool of a file that is not there")
	}
	certtest.Put(t, file, k.ca.PEM)
	p, err := OpenPool([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&k.log, nil))
	first := p.Now()
	certtest.Put(t, file, []byte("nothing"))
	for range 3 {
		p.look(log)
	}
	if p.Now() != first || strings.Count(k.log.String(), "ERROR") != 1 {
		t.Errorf("a broken pool, logged:\n%s", k.log.String())
	}
	certtest.Put(t, file, certtest.NewCA(t).PEM)
	p.look(log)
	if p.Now() == first || p.Now().Digest == first.Digest {
		t.Error("the new pool is not in use")
	}
}

func TestTheWatchersLookUntilTheyAreToldToStop(t *testing.T) {
	k := newKit(t)
	f := k.pair("a", certtest.Leaf{Names: []string{"a.example"}, Serial: 1})
	file := filepath.Join(k.dir, "ca.pem")
	certtest.Put(t, file, k.ca.PEM)
	synctest.Test(t, func(t *testing.T) {
		ring := k.open(Source{Files: []Files{f}})
		pool, err := OpenPool([]string{file})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- ring.Run(ctx) }()
		go func() { done <- pool.Run(ctx) }()
		before := pool.Now()
		k.pair("a", certtest.Leaf{Names: []string{"a.example"}, Serial: 2})
		certtest.Put(t, file, certtest.NewCA(t).PEM)
		time.Sleep(watch.Longest)
		synctest.Wait()
		if got := serial(ring, "a.example"); got != 2 || pool.Now() == before {
			t.Errorf("in use is certificate %d, and the old pool: %v", got, pool.Now() == before)
		}
		cancel()
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
	})
}
