package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/control"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
)

// fakeApp is an app with an environment of its own that prints into a text.
func fakeApp(env map[string]string) (*app, *strings.Builder) {
	var printed strings.Builder
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	return &app{in: strings.NewReader(""), out: &printed, err: &printed, lookup: lookup, etc: "/nonexistent/Dwaarfile"}, &printed
}

func TestWhereNobodyWroteAConfigurationTheDemonstrationServes(t *testing.T) {
	t.Chdir(t.TempDir())
	a, _ := fakeApp(nil)
	src, err := a.readOrDefault("")
	if err != nil || src.Name != defaultName || string(src.Text) != defaultText {
		t.Errorf("it reads %+v, %v", src, err)
	}
	g, err := a.loader(new(share.Store), wasm.New(wasm.Options{Files: src.files})).Load(src.Source)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Release()
	if len(g.Plugins) != 1 || g.Plugins[0].Path != "plugins/redis/redis.wasm" {
		t.Errorf("its plugins are %+v", g.Plugins)
	}
	if got := len(g.Servers); got != 6 {
		t.Errorf("it has %d servers", got)
	}
	if _, err := a.readOrDefault("missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is named and missing: %v", err)
	}
	a.etc = "machine"
	if err := os.WriteFile(a.etc, []byte("layer4"), 0o600); err != nil {
		t.Fatal(err)
	}
	if src, err := a.readOrDefault(""); err != nil || src.Name != "machine" {
		t.Errorf("with a configuration of the machine it reads %+v, %v", src, err)
	}
	if err := os.WriteFile("dwaar.toml", []byte("[layer4]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if src, err := a.readOrDefault(""); err != nil || src.Name != "dwaar.toml" {
		t.Errorf("beside dwaar.toml it reads %+v, %v", src, err)
	}
}

func TestTheIntroductionSaysWhatListensWhatRoutesDoAndWhatToTry(t *testing.T) {
	t.Parallel()
	a, printed := fakeApp(nil)
	s := &server{app: a, config: "Dwaarfile", engine: engine.New(engine.Options{})}
	defer func() {
		if err := s.engine.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	socket, err := control.Listen(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	s.intro("server :443\n", socket)
	for _, want := range []string{
		"serves Dwaarfile\n\nserver :443\n", "control socket " + socket.Path(), "\n  dwaar status --control " + socket.Path() + "\n",
		"\n  dwaar connections --control ", "\n  dwaar reload --control ",
	} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, printed)
		}
	}
	printed.Reset()
	s.config, s.demo = defaultName, true
	s.intro("server :443\n", nil)
	for _, want := range []string{"Write ./Dwaarfile", "curl http://127.0.0.1:8443/", "curl -k https://127.0.0.1:8443/", `printf 'PING\r\n' | nc -N 127.0.0.1 8443`, "nc 127.0.0.1 8443"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, printed)
		}
	}
}

func TestTheServiceManagerIsToldOneMessageAtATime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := newNotifier(func(string) string { return path })
	if err := n.ready("two\nlines"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	size, err := l.Read(buf)
	if diff := cmp.Diff("READY=1\nSTATUS=two; lines", string(buf[:size])); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := n.stopping("over"); err != nil {
		t.Fatal(err)
	}
	size, err = l.Read(buf)
	if diff := cmp.Diff("STOPPING=1\nSTATUS=over", string(buf[:size])); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	// Nothing is said after that: the service manager would take it for ready.
	for _, late := range []error{n.ready("late"), n.reloading(), n.status("late"), n.stopping("late")} {
		if late != nil {
			t.Error(late)
		}
	}
	if err := (&notifier{address: path}).status("another"); err != nil {
		t.Fatal(err)
	}
	if size, err := l.Read(buf); err != nil || string(buf[:size]) != "STATUS=another" {
		t.Errorf("it says %q after the end, %v", buf[:size], err)
	}
	if err := newNotifier(func(string) string { return "" }).reloading(); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
	if err := (&notifier{address: path + "-missing"}).reloading(); err == nil {
		t.Error("a service manager that is not there heard it")
	}
}

func TestTheMonotonicClockGoesOn(t *testing.T) {
	t.Parallel()
	first := monotonic()
	if second := monotonic(); first <= 0 || second < first {
		t.Errorf("it showed %v and then %v", first, second)
	}
}

func TestDurationsAreSecondsForPrograms(t *testing.T) {
	t.Parallel()
	got := inSeconds(nil, slog.Duration("total", 1500*time.Millisecond))
	if got.Value.Float64() != 1.5 {
		t.Errorf("1.5 s is %v", got)
	}
	if other := slog.Int("n", 1); !inSeconds(nil, other).Equal(other) {
		t.Error("a number was changed")
	}
}

func TestTheVersionIsTheModulesOrTheCommits(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}
	if got := versionOf(info); got != "v1.2.3" {
		t.Errorf("a release is %s", got)
	}
	info.Main.Version = "(devel)"
	info.Settings = []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}}
	if got := versionOf(info); got != "devel-0123456789ab-dirty" {
		t.Errorf("a commit is %s", got)
	}
}

func TestAmountsAndAgesAreShort(t *testing.T) {
	t.Parallel()
	var got []string
	for _, n := range []int64{0, 1023, 1024, 1536 << 10, 1 << 40} {
		got = append(got, bytes(n))
	}
	for _, d := range []time.Duration{0, 59 * time.Second, 61 * time.Second, 90 * time.Minute, 49 * time.Hour} {
		got = append(got, ageOf(d))
	}
	want := []string{"0B", "1023B", "1.0KiB", "1.5MiB", "1.0TiB", "0s", "59s", "1m1s", "1h30m", "2d1h"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestACaretStandsBelowItsPlaceAlsoBehindTabsAndWideText(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	files := map[string][]string{"f": {"\tproxy ä x"}}
	excerpt(&b, sdk.Pos{File: "f", Line: 1, Col: 10}, files)
	excerpt(&b, sdk.Pos{File: "f", Line: 2, Col: 1}, files) // behind the end: nothing
	excerpt(&b, sdk.Pos{File: "missing", Line: 1, Col: 1}, files)
	if diff := cmp.Diff("    \tproxy ä x\n    \t        ^\n", b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
