package guesttest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
	"dwaar.dev/dwaar/sdk/guest/sample/minecraft"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// root is the top of the repository seen from this directory.
const root = "../../../.."

// kit is what matchers are written with in one language.
type kit struct {
	dir    string   // below sdk
	fence  string   // how the README's block with the sample begins
	source string   // the file that holds the same
	tools  []string // programs that build it
	env    string
}

func kits() []kit {
	return []kit{
		{dir: "c", fence: "```c\n", source: "minecraft.c", tools: []string{"clang", "wasm-ld"}},
		{dir: "rust", fence: "```rust\n", source: "minecraft.rs", tools: []string{"/usr/bin/rustc", "wasm-ld"}, env: "RUSTC=/usr/bin/rustc"},
		{dir: "assemblyscript", fence: "```ts\n", source: "minecraft.ts", tools: []string{"node"}},
		{dir: "guest", fence: "```go\n", source: "sample/minecraft/minecraft.go", tools: []string{"go"}},
	}
}

// The README of each kit shows the sample that the tests below build and run.
func TestReadmesShowTheSamples(t *testing.T) {
	t.Parallel()
	for _, k := range kits() {
		dir := filepath.Join(root, "sdk", k.dir)
		readme, source := read(t, filepath.Join(dir, "README.md")), read(t, filepath.Join(dir, k.source))
		_, rest, _ := strings.Cut(string(readme), k.fence)
		block, _, ok := strings.Cut(rest, "```\n")
		if !ok {
			t.Errorf("%s: the README has no block %q", k.dir, k.fence)
			continue
		}
		if diff := cmp.Diff(string(source), block); diff != "" {
			t.Errorf("%s: %s and the README (-file +README):\n%s", k.dir, k.source, diff)
		}
	}
}

// Law 7: each sample says what its Go source says natively, of the prefixes of
// captured flights, and with changed bytes.
func TestSamplesOfAllLanguagesAgreeWithTheNativeMatcher(t *testing.T) {
	t.Parallel()
	heads := flights(t)
	for _, k := range kits() {
		t.Run(k.dir, func(t *testing.T) {
			t.Parallel()
			wasm := build(t, k)
			for _, host := range []string{"", "play.example.com"} {
				native, err := minecraft.New(node(host))
				if err != nil {
					t.Fatal(err)
				}
				g := configured(t, wasm, host)
				if k.dir == "guest" { // 5 MB are put back after each evaluation
					same(t, native, g, heads[:1])
					continue
				}
				same(t, native, g, heads)
				if err := matchtest.Check(g, matchtest.TCP(), heads[0]); err != nil {
					t.Errorf("host %q: %v", host, err)
				}
			}
		})
	}
}

func TestSamplesRejectAtTheToken(t *testing.T) {
	t.Parallel()
	for _, k := range kits() {
		t.Run(k.dir, func(t *testing.T) {
			t.Parallel()
			g, err := load(t, build(t, k))
			if err != nil {
				t.Fatal(err)
			}
			block, err := abi.NewTokens().Word("a.org").Word("b.org").Block()
			if err != nil {
				t.Fatal(err)
			}
			if err := g.configure(t.Context(), "", block); err == nil {
				t.Error("two hosts were accepted")
			}
			if diff := cmp.Diff([]rejection{{1, "takes one host"}}, g.rejected); diff != "" {
				t.Errorf("rejections (-want +got):\n%s", diff)
			}
		})
	}
}

// The kits that need no garbage collector stay small, and no sample needs more than
// a page or asks for anything but what it uses.
func TestSamplesAreSmall(t *testing.T) {
	t.Parallel()
	for dir, most := range map[string]int{"c": 2 << 10, "rust": 6 << 10, "assemblyscript": 4 << 10, "guest": 3 << 20} {
		for _, k := range kits() {
			if k.dir != dir {
				continue
			}
			t.Run(dir, func(t *testing.T) {
				t.Parallel()
				if n := len(build(t, k)); n > most {
					t.Errorf("%d bytes, more than %d", n, most)
				}
			})
		}
	}
}

// same compares two matchers on the prefixes of every head, all up to 128 bytes, and
// on the head with one byte after the other changed.
func same(t *testing.T, native, wasm sdk.Matcher, heads [][]byte) {
	t.Helper()
	for _, head := range heads {
		for n := range len(head) + 1 {
			if n <= 128 || n%61 == 0 || n == len(head) {
				compare(t, native, wasm, head[:n])
			}
		}
		for i := range min(len(head), 64) {
			changed := bytes.Clone(head)
			changed[i] ^= 1 << (i % 8)
			compare(t, native, wasm, changed)
		}
	}
}

func compare(t *testing.T, native, wasm sdk.Matcher, head []byte) {
	t.Helper()
	f := matchtest.TCP()
	f.Head = head
	want, got := matchtest.Ask(native, &f), matchtest.Ask(wasm, &f)
	if want.String() != got.String() {
		t.Fatalf("%q: native %v, WebAssembly %v", head, want, got)
	}
}

// configured returns an instance of a sample.
func configured(t *testing.T, wasm []byte, host string) *guest {
	t.Helper()
	g, err := load(t, wasm)
	if err != nil {
		t.Fatal(err)
	}
	tokens := abi.NewTokens()
	if host != "" {
		tokens.Word(host)
	}
	block, err := tokens.Block()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.configure(t.Context(), "", block); err != nil {
		t.Fatal(err)
	}
	return g
}

func node(host string) *sdk.Node {
	n := &sdk.Node{}
	if host != "" {
		n.Args = []sdk.Word{{Text: host}}
	}
	return n
}

// build runs the kit's build script on its sample.
func build(t testing.TB, k kit) []byte {
	t.Helper()
	for _, tool := range k.tools {
		realtest.Look(t, tool)
	}
	if k.dir == "assemblyscript" {
		needAsc(t)
	}
	if k.dir == "guest" {
		return buildGo(t, "./sdk/guest/sample")
	}
	return run(t, k.env, filepath.Join(root, "sdk", k.dir, "build.sh"), filepath.Join(root, "sdk", k.dir, k.source))
}

// built holds what was built, by what it was built from.
var built struct {
	sync.Mutex
	modules map[string][]byte
}

// run runs a build script, which writes the file that it gets as its last argument,
// once for all tests.
func run(t testing.TB, env, script string, args ...string) []byte {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	key := script + " " + strings.Join(args, " ")
	if built.modules[key] == nil {
		if built.modules == nil {
			built.modules = map[string][]byte{}
		}
		built.modules[key] = runOnce(t, env, script, args...)
	}
	return built.modules[key]
}

func runOnce(t testing.TB, env, script string, args ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.wasm")
	cmd := exec.CommandContext(t.Context(), script, append(args, out)...)
	cmd.Env = append(os.Environ(), env)
	if printed, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, printed)
	}
	return read(t, out)
}

// buildGo compiles a package of this module as a guest.
func buildGo(t testing.TB, pkg string) []byte {
	t.Helper()
	return run(t, "", filepath.Join(root, "sdk/guest/build.sh"), filepath.Join(root, pkg))
}

// needAsc wants the compiler that npm installs.
func needAsc(t testing.TB) {
	t.Helper()
	_, err := os.Stat(filepath.Join(root, "sdk/assemblyscript/node_modules/.bin/asc"))
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatal("asc is not installed, and in CI no test may skip: .ci/install installs it")
	default:
		t.Skip("asc is not installed: make test installs it")
	}
}

// flights are captured first flights: those of Minecraft's first.
func flights(t *testing.T) [][]byte {
	t.Helper()
	var heads [][]byte
	for _, pattern := range []string{"minecraft/*.bin", "ssh/*.bin", "http/curl-http1.bin", "tls/curl-h2.bin", "postgres/psql-prefer.bin"} {
		files, err := filepath.Glob(filepath.Join(root, "testdata/flights", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no flights %s (%v)", pattern, err)
		}
		for _, f := range files {
			heads = append(heads, read(t, f))
		}
	}
	return heads
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A sample uses a small part of what an evaluation may take, and a Go guest's way in
// and out of the runtime is in that.
func TestSamplesTakeLittleFuel(t *testing.T) {
	t.Parallel()
	for _, k := range kits() {
		t.Run(k.dir, func(t *testing.T) {
			t.Parallel()
			g := configured(t, build(t, k), "play.example.com")
			f := matchtest.TCP()
			f.Head = read(t, filepath.Join(root, "testdata/flights/minecraft/login-1.8.bin"))
			if v, err := g.Match(&f); v != sdk.Yes || err != nil || g.fuel <= 0 || g.fuel > 50_000 {
				t.Errorf("%v, %v with %d units", v, err, g.fuel)
			}
		})
	}
}

// Law 7 on heads that nobody sent, and on configurations.
func FuzzSamplesAgree(f *testing.F) {
	f.Add([]byte("\x10\x00/\x04a.bc\x63\xdd\x01"), "a.bc")
	f.Add([]byte("\x80\x80\x80\x80\x80"), "")
	f.Add([]byte("\x0a\x00\xff\xff\xff\xff\x0f\x05"), "x")
	k := kits()[0]
	for _, tool := range k.tools {
		realtest.Look(f, tool)
	}
	wasm := build(f, k)
	f.Fuzz(func(t *testing.T, head []byte, host string) {
		if len(head) > 600 || len(host) > 255 || strings.ContainsAny(host, "\x00") {
			return
		}
		native, err := minecraft.New(node(host))
		if err != nil {
			t.Fatal(err)
		}
		same(t, native, configured(t, wasm, host), [][]byte{head})
	})
}
