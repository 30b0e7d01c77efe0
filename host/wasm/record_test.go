package wasm

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/wasm/record"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// acting runs what a configuration of the bench runs beside connections. The result
// ends it, and returns when all that waited is done.
func (k *bench) acting() (end func()) {
	k.t.Helper()
	ctx, cancel := context.WithCancel(host.WithLog(context.Background(), slog.New(slog.NewTextHandler(k.log, nil))))
	var all sync.WaitGroup
	for _, a := range k.builder.Actors() {
		all.Go(func() {
			if err := a.Run(ctx); err != nil {
				k.t.Error(err)
			}
		})
	}
	for _, v := range share.All[any](k.store) {
		switch tap := v.(type) {
		case *recorder:
			tap.awaited(k.t)
		case *shadow:
			tap.awaited(k.t)
		}
	}
	return func() { cancel(); all.Wait() }
}

// awaited returns when somebody empties the tap.
func (t *tap) awaited(tb testing.TB) {
	tb.Helper()
	for t.users.Load() == 0 {
		if tb.Failed() {
			return
		}
		runtime.Gosched()
	}
}

// readRecords reads a file of records.
func readRecords(t *testing.T, path string) []*record.Record {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []*record.Record
	for r := record.NewReader(f); ; {
		rec, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rec)
	}
}

// curious is a guest that says by its configuration what it looks at: a fact ("v"), the
// client's port ("p"), random numbers and the clock ("r"); that fails at a head of "!",
// and burns its fuel at "~".
const curious = `(module
	(import "dwaar_v1" "get" (func $get (param i32 i32 i32 i32) (result i32)))
	(import "dwaar_v1" "set" (func $set (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
	(memory (export "memory") 1)
	(data (i32.const 0) "vars.tenant")
	(data (i32.const 32) "found")
	(global $mode (mut i32) (i32.const 0))
	(func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 4096))
	(func (export "dwaar_v1_init") (param $at i32) (param i32) (result i32)
		(global.set $mode (i32.load8_u offset=4 (local.get $at))) (i32.const 0))
	(func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
		(local $n i32)
		(if (i32.eqz (local.get $size)) (then (return (i32.const -1))))
		(if (i32.eq (i32.load8_u (local.get $head)) (i32.const 33)) (then (unreachable)))
		(if (i32.eq (i32.load8_u (local.get $head)) (i32.const 126)) (then (loop $l (br $l))))
		(if (i32.eq (global.get $mode) (i32.const 118)) (then
			(local.set $n (call $get (i32.const 0) (i32.const 11) (i32.const 64) (i32.const 32)))
			(drop (call $get (i32.const 0) (i32.const 11) (i32.const 64) (i32.const 32)))
			(if (i32.lt_s (local.get $n) (i32.const 0)) (then (return (i32.const 0))))
			(drop (call $set (i32.const 32) (i32.const 5) (i32.const 64) (local.get $n)))
			(return (i32.const 2))))
		(if (i32.eq (global.get $mode) (i32.const 112)) (then
			(return (i32.load16_u offset=48 (local.get $info)))))
		(if (i32.eq (global.get $mode) (i32.const 114)) (then
			(drop (call $random (i32.const 64) (i32.const 8)))
			(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 72)))
			(drop (call $set (i32.const 32) (i32.const 5) (i32.const 64) (i32.const 16)))))
		(i32.const 1)))`

// asked evaluates a head of a connection that has the fact vars.tenant, as a graph does.
func asked(m sdk.Matcher, head string) sdk.Verdict {
	f := matchtest.TCP()
	f.Head = []byte(head)
	f.Bind(known{"vars.tenant": "acme"})
	v, _ := m.Match(&f)
	return v
}

func TestRecordedEvaluationsAreMadeAgainBitForBit(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	path, file := wat(t, curious), filepath.Join(t.TempDir(), "records")
	l, err := k.load(declare(path, "record "+file+" 1MiB", "reads vars.* tls.sni", "fuel 20000"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("there is a file before anything runs")
	}
	end := k.acting()
	var counts *Counts
	for _, line := range []string{"x v", "x p", "x r", "x"} {
		m, err := l.make(line)
		if err != nil {
			t.Fatal(err)
		}
		for _, head := range []string{"", "A", "!", "~"} {
			asked(m, head)
		}
		counts = m.(*Matcher).plugin.counts
	}
	end()
	if s := counts.Stats(); s.Recorded != 16 || s.Forgotten != 0 || s.Evaluations != 16 || s.Failures["fuel"] != 4 || s.Failures["trap"] != 4 || s.Fuel == 0 {
		t.Errorf("counted %+v", s)
	}
	all := readRecords(t, file)
	if len(all) != 16 {
		t.Fatalf("%d records", len(all))
	}
	r, err := k.host.Replayer(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, rec := range all {
		got, err := r.Replay(rec)
		if err != nil || rec.Module != r.Hash() {
			t.Fatalf("%v, %s", err, rec.Module)
		}
		if d := rec.Outcome.Diff(&got); d != "" {
			t.Errorf("%q: %s", rec.Head, d)
		}
	}
	reads(t, all[1])
	hidden(t, all)
}

// reads checks that a record has the fact that was asked for, once, and no other.
func reads(t *testing.T, rec *record.Record) {
	t.Helper()
	if diff := cmp.Diff([]record.Fact{{Name: "vars.tenant", Value: []byte("acme")}}, rec.Reads); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]record.Fact{{Name: "found", Value: []byte("acme")}}, rec.Facts); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

// hidden checks that the client's address is where the guest looked at it, and only
// there.
func hidden(t *testing.T, all []*record.Record) {
	t.Helper()
	for i, rec := range all {
		want := netip.MustParseAddrPort("192.0.2.1:1")
		if i == 5 { // x p, at "A"
			want = matchtest.TCP().Remote
		}
		if rec.Conn.Remote != want || rec.Conn.Hidden != (i != 5) {
			t.Errorf("record %d has the client %v, hidden %v", i, rec.Conn.Remote, rec.Conn.Hidden)
		}
	}
}

func TestRecordsEndWithTheirFile(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	file := filepath.Join(t.TempDir(), "records")
	l, err := k.load(declare(wat(t, curious), "record "+file+" 64KiB"))
	if err != nil {
		t.Fatal(err)
	}
	end := k.acting()
	m, err := l.make("x")
	if err != nil {
		t.Fatal(err)
	}
	counts := m.(*Matcher).plugin.counts
	for counts.forgotten.Load() == 0 {
		if v := asked(m, strings.Repeat("A", 1000)); v != sdk.Yes {
			t.Fatalf("it says %v", v)
		}
	}
	end()
	if info, err := os.Stat(file); err != nil || info.Size() > 64<<10 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	if s := counts.Stats(); s.Recorded == 0 || uint64(len(readRecords(t, file))) != s.Recorded || s.Evaluations < s.Recorded+s.Forgotten {
		t.Errorf("counted %+v", s)
	}
}

// A recorder goes on from one configuration to the next, and each opens its file again:
// one that was full is moved away then.
func TestEachLoadOpensTheFileAgain(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	file := filepath.Join(t.TempDir(), "records")
	tree := declare(wat(t, curious), "record "+file+" 64KiB")
	ask := func(l *declared, until func(*Counts) bool) {
		t.Helper()
		m, err := l.make("x")
		if err != nil {
			t.Fatal(err)
		}
		for counts := m.(*Matcher).plugin.counts; !until(counts); {
			if v := asked(m, strings.Repeat("A", 1000)); v != sdk.Yes {
				t.Fatalf("it says %v", v)
			}
		}
	}
	l, err := k.load(tree)
	if err != nil {
		t.Fatal(err)
	}
	defer k.acting()()
	ask(l, func(c *Counts) bool { return c.forgotten.Load() > 0 })
	for strings.Count(k.log.String(), "are not recorded any more") == 0 {
		runtime.Gosched()
	}
	if err := os.Rename(file, file+".full"); err != nil {
		t.Fatal(err)
	}
	if l, err = k.load(tree); err != nil {
		t.Fatal(err)
	}
	full := len(readRecords(t, file+".full"))
	ask(l, func(c *Counts) bool { return c.recorded.Load() > uint64(full) })
	if len(readRecords(t, file)) == 0 {
		t.Error("the new file has no records")
	}
}

func TestRecordsOfAnotherModuleAreComparedOrRefused(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	file := filepath.Join(t.TempDir(), "records")
	l, err := k.load(declare(wat(t, curious), "record "+file))
	if err != nil {
		t.Fatal(err)
	}
	end := k.acting()
	m, err := l.make("x v")
	if err != nil {
		t.Fatal(err)
	}
	asked(m, "A")
	end()
	rec := readRecords(t, file)[0]
	r, err := k.host.Replayer(guest(t, "", "(i32.const 1)"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Replay(rec); err == nil || !strings.Contains(err.Error(), "takes no arguments") {
		t.Errorf("%v", err)
	}
	rec.Config = bareBlock()
	got, err := r.Replay(rec)
	if err != nil || got.Answer != 1 || rec.Outcome.Same(&got) {
		t.Errorf("%+v, %v", got, err)
	}
	rec.Matcher = "login"
	if _, err := r.Replay(rec); err == nil || !strings.Contains(err.Error(), `it has no matcher "login": it has m`) {
		t.Errorf("%v", err)
	}
}

func TestRecordsHaveBegunWhenTheFileIsOpenOrCannotBeOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, path := range map[string]string{"a file": filepath.Join(dir, "records"), "a directory": dir} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecorder(path, leastRecords)
			var begins host.Beginner = r
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			select {
			case <-begins.Begun():
				t.Error("it has begun before it runs")
			default:
			}
			ended := make(chan error, 1)
			go func() { ended <- begins.Run(ctx) }()
			<-begins.Begun()
			if n := r.users.Load(); path != dir && n == 0 {
				t.Error("nobody empties the tap, and nothing is copied")
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
