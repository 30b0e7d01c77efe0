package kit

import (
	"archive/zip"
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/realtest"
)

var update = flag.Bool("update", false, "write the archive and the built modules instead of comparing")

// root is the top of the repository seen from this directory.
const root = "../../../.."

// kitFiles are the files of the kits by their name in the archive.
func kitFiles(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	add := func(dir, below string, want func(name string) bool) {
		from := filepath.Join(root, "sdk", below)
		err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && slices.Contains([]string{"testdata", "node_modules", "sample"}, d.Name()) {
				return fs.SkipDir
			}
			rel, _ := filepath.Rel(from, path)
			if d.IsDir() || !want(filepath.ToSlash(rel)) {
				return nil
			}
			b, err := os.ReadFile(path)
			found[dir+"/"+filepath.ToSlash(rel)] = b
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	named := func(names ...string) func(string) bool {
		return func(name string) bool { return slices.Contains(names, name) }
	}
	add("c", "c", named("dwaar.h", "build.sh"))
	add("rust", "rust", named("dwaar.rs", "build.sh"))
	add("assemblyscript", "assemblyscript", named("dwaar.ts", "build.sh", "package.json", "package-lock.json"))
	add("golang/sdk", ".", func(name string) bool {
		top, _, below := strings.Cut(name, "/")
		part := !below || slices.Contains([]string{"abi", "guest", "matchtest"}, top)
		source := strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
		return part && source || named("guest/build.sh", "guest/README.md", "abi/ABI.md")(name)
	})
	return found
}

// The kits that are brought along are those of the repository.
func TestTheArchiveHoldsTheKits(t *testing.T) {
	t.Parallel()
	want := kitFiles(t)
	if *update {
		writeArchive(t, want)
		return
	}
	r, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]byte{}
	for _, f := range r.File {
		if got[f.Name], err = content(f); err != nil {
			t.Fatal(err)
		}
	}
	for name := range want {
		if !bytes.Equal(want[name], got[name]) {
			t.Errorf("sdk.zip has another %s: go test ./cmd/dwaar/internal/kit -update writes it", name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("sdk.zip has %d files, and there are %d: go test ./cmd/dwaar/internal/kit -update writes it", len(got), len(want))
	}
}

func writeArchive(t *testing.T, files map[string][]byte) {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("sdk.zip", b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tools are what builds the modules of a language.
func tools(t testing.TB, l Language) {
	t.Helper()
	for _, tool := range map[Language][]string{
		C: {"clang", "wasm-ld"}, Rust: {"/usr/bin/rustc", "wasm-ld"}, Go: {"go"}, AssemblyScript: {"node"},
	}[l] {
		realtest.Look(t, tool)
	}
}

// build runs the build script of a plugin, and returns what it printed.
func build(t testing.TB, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "./build.sh")
	asc, err := filepath.Abs(filepath.Join(root, "sdk/assemblyscript/node_modules/.bin"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "RUSTC=/usr/bin/rustc", "PATH="+os.Getenv("PATH")+":"+asc)
	if printed, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
}

// What a newcomer gets without a compiler is what the compiler makes: byte for byte,
// with those of Debian 12, whatever the plugin is called.
func TestModulesThatAreBroughtAlongAreThoseThatTheSourcesMake(t *testing.T) {
	t.Parallel()
	for _, l := range []Language{C, Rust, AssemblyScript} {
		t.Run(string(l), func(t *testing.T) {
			t.Parallel()
			tools(t, l)
			name := "wave_2"
			dir := filepath.Join(t.TempDir(), name)
			if built, err := Create(dir, l); err != nil || !built {
				t.Fatal(built, err)
			}
			module := filepath.Join(dir, name+".wasm")
			brought, err := os.ReadFile(module)
			if err != nil {
				t.Fatal(err)
			}
			build(t, dir)
			got, err := os.ReadFile(module)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(brought, got) {
				return
			}
			at := "files/modules/" + l.about().dir + ".wasm"
			if !*update {
				t.Fatalf("%s is stale, or was made by another compiler than Debian's: go test ./cmd/dwaar/internal/kit -update writes it", at)
			}
			manifest, err := os.ReadFile(filepath.Join(dir, name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, bytes.TrimSuffix(got, section(manifest)), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestANewPluginHasItsNameEverywhere(t *testing.T) {
	t.Parallel()
	for _, l := range Languages() {
		t.Run(string(l), func(t *testing.T) {
			t.Parallel()
			if l == Go {
				tools(t, l)
			}
			dir := filepath.Join(t.TempDir(), "wave")
			if _, err := Create(dir, l); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"wave.wasm", "wave.json", "build.sh", "Dwaarfile", "README.md", "ci.sh", "kit", "testdata/verdicts.golden"} {
				if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
					t.Error(err)
				}
			}
			err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				text, err := os.ReadFile(path)
				rel, _ := filepath.Rel(dir, path)
				left := fmt.Sprintf("%s %s", rel, text)
				if !strings.HasPrefix(rel, "kit") && (sampleName.MatchString(left) || strings.Contains(left, "LANGUAGE") || strings.Contains(left, "ABOUT")) {
					t.Errorf("%s is not filled in:\n%s", rel, text)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestWhatCannotBeMadeIsSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, want := range map[string]string{
		"Hello":                 "cannot be the name of a plugin",
		"2hello":                "cannot be the name of a plugin",
		strings.Repeat("a", 33): "cannot be the name of a plugin",
		"not":                   "a word of the Dwaarfile",
		"missing/hello":         "no such file",
	} {
		if _, err := Create(filepath.Join(dir, name), C); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if _, err := Create(filepath.Join(dir, "hello"), C); err != nil {
		t.Fatal(err)
	}
	_, err := Create(filepath.Join(dir, "hello"), Rust)
	if err == nil || !strings.Contains(err.Error(), "exists: remove it") {
		t.Errorf("again: %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestLanguagesHaveShortNames(t *testing.T) {
	t.Parallel()
	got := map[string]Language{}
	for _, name := range []string{"C", "rust", "rs", "go", "golang", "assemblyscript", "as", "ts"} {
		l, err := ParseLanguage(name)
		if err != nil {
			t.Error(err)
		}
		got[name] = l
	}
	want := map[string]Language{
		"C": C, "rust": Rust, "rs": Rust, "go": Go, "golang": Go,
		"assemblyscript": AssemblyScript, "as": AssemblyScript, "ts": AssemblyScript,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := ParseLanguage("zig"); err == nil {
		t.Error("there is a kit for zig")
	}
}
