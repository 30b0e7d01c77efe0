package kit

import (
	"archive/zip"
	"bytes"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"dwaar.dev/dwaar/sdk/abi"
)

// Language is one of those that there is a kit for.
type Language string

// The languages.
const (
	C              Language = "c"
	Rust           Language = "rust"
	Go             Language = "go"
	AssemblyScript Language = "assemblyscript"
)

// Languages are all of them, the one with the smallest modules first.
func Languages() []Language { return []Language{C, Rust, Go, AssemblyScript} }

// ParseLanguage reads a name, which may be short.
func ParseLanguage(name string) (Language, error) {
	short := map[string]Language{"as": AssemblyScript, "ts": AssemblyScript, "rs": Rust, "golang": Go}
	l := Language(strings.ToLower(name))
	if long, ok := short[string(l)]; ok {
		l = long
	}
	if !slices.Contains(Languages(), l) {
		return "", fmt.Errorf("there is no kit for %q: write --lang c, rust, go or assemblyscript", name)
	}
	return l, nil
}

// about is how a language differs from the others.
type about struct {
	name   string // as people write it
	dir    string // below files, and in the archive
	source string
	module string // where hello.wasm comes from, for the README
}

func (l Language) about() about {
	built := "the one of `build.sh`, built already"
	return map[Language]about{
		C:              {"C", "c", "hello.c", built},
		Rust:           {"Rust", "rust", "hello.rs", built},
		Go:             {"Go", "golang", "main.go", "`build.sh` writes it"},
		AssemblyScript: {"AssemblyScript", "assemblyscript", "main.ts", built},
	}[l]
}

// files are what a new plugin consists of. The sample is called hello throughout, and a
// plugin of another name has that name in its place.
//
//go:embed files
var files embed.FS

// archive holds the kits of all languages, as they stand in the directory sdk of the
// repository, from where nothing can be embedded here: go test -update packs it, and
// without -update compares.
//
//go:embed sdk.zip
var archive string

// sampleName is the name in files, where it stands as a word.
var sampleName = regexp.MustCompile(`\bhello\b`)

// CheckName says what is wrong with the name of a plugin, or nil.
func CheckName(name string) error {
	switch {
	case !abi.ValidName(name):
		return fmt.Errorf("%q cannot be the name of a plugin: write a lower-case letter and then letters, digits and _, at most %d", name, abi.MaxName)
	case name == "not":
		return errors.New("not is a word of the Dwaarfile: give the plugin another name")
	}
	return nil
}

// Create makes a directory with a plugin that works: it is dir, whose last element is
// the plugin's name. One that exists is left alone. A module of Go is too large to be
// brought along: it is built if there is a compiler, and built reports whether it was.
func Create(dir string, l Language) (built bool, err error) {
	name := filepath.Base(dir)
	if err := CheckName(name); err != nil {
		return false, err
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return false, fmt.Errorf("making the plugin: %s exists: remove it, or give the plugin another name", dir)
		}
		return false, fmt.Errorf("making the plugin: %w", err)
	}
	w := writer{dir: dir, name: name, about: l.about()}
	if err := w.all(l); err != nil {
		return false, fmt.Errorf("making the plugin: %w", err)
	}
	if l != Go {
		return true, nil
	}
	if _, err := exec.LookPath("go"); err != nil {
		return false, nil
	}
	if printed, err := exec.Command(filepath.Join(dir, "build.sh")).CombinedOutput(); err != nil {
		return false, fmt.Errorf("building the module: %w: %s is there; mend this and run build.sh in it:\n%s", err, dir, printed)
	}
	return true, nil
}

// writer writes the files of one plugin.
type writer struct {
	dir, name string
	about     about
}

// all writes everything.
func (w *writer) all(l Language) error {
	for _, from := range []string{"files/common", "files/" + w.about.dir} {
		if err := w.tree(from); err != nil {
			return err
		}
	}
	if err := w.kit(); err != nil {
		return err
	}
	if l == Go {
		return w.goModules()
	}
	module, err := files.ReadFile("files/modules/" + w.about.dir + ".wasm")
	if err != nil {
		return err
	}
	manifest, err := files.ReadFile("files/common/hello.json")
	if err != nil {
		return err
	}
	return w.write("hello.wasm", append(module, section(w.named(manifest))...))
}

// section is a manifest as it stands at the end of a module: a custom section (§5.5.3 of
// the core specification), as the build scripts of the kits write it.
func section(manifest []byte) []byte {
	name := abi.ManifestSection
	content := append(append([]byte{byte(len(name))}, name...), manifest...)
	return append(binary.AppendUvarint([]byte{0}, uint64(len(content))), content...)
}

// named puts the plugin's name in the place of the sample's.
func (w *writer) named(text []byte) []byte { return sampleName.ReplaceAll(text, []byte(w.name)) }

// tree writes what stands in a directory of files.
func (w *writer) tree(from string) error {
	return fs.WalkDir(files, from, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Base(at) == "about.md" {
			return err
		}
		text, err := files.ReadFile(at)
		if err != nil {
			return err
		}
		if path.Base(at) == "README.md" {
			if text, err = w.readme(text); err != nil {
				return err
			}
		}
		return w.write(strings.TrimPrefix(at, from+"/"), w.named(text))
	})
}

// readme fills in what is said of the language.
func (w *writer) readme(text []byte) ([]byte, error) {
	more, err := files.ReadFile("files/" + w.about.dir + "/about.md")
	if err != nil {
		return nil, err
	}
	fill := strings.NewReplacer("LANGUAGE", w.about.name, "SOURCE", w.about.source, "MODULE", w.about.module, "ABOUT\n", string(more))
	return []byte(fill.Replace(string(text))), nil
}

// kit writes the files of the language, as they are.
func (w *writer) kit() error {
	r, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		return err
	}
	for _, f := range r.File {
		name, ok := strings.CutPrefix(f.Name, w.about.dir+"/")
		if !ok {
			continue
		}
		text, err := content(f)
		if err != nil {
			return err
		}
		if err := w.put(filepath.Join(w.dir, "kit", filepath.FromSlash(name)), text); err != nil {
			return err
		}
	}
	return nil
}

func content(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// goVersion is the language that the module of the plugin asks for: that of this one.
const goVersion = "1.26.0"

// goModules writes what makes the directory a Go module that needs nothing from
// elsewhere.
func (w *writer) goModules() error {
	mod := "module example.com/hello\n\ngo " + goVersion + "\n\n" +
		"require dwaar.dev/dwaar v0.0.0\n\n" +
		"// As it came with dwaar. Where the module can be fetched this line may go.\n" +
		"replace dwaar.dev/dwaar => ./kit\n"
	if err := w.write("go.mod", w.named([]byte(mod))); err != nil {
		return err
	}
	return w.write("kit/go.mod", []byte("module dwaar.dev/dwaar\n\ngo "+goVersion+"\n"))
}

// write writes a file of the plugin, whose name may be the sample's.
func (w *writer) write(name string, text []byte) error {
	base := sampleName.ReplaceAllString(path.Base(name), w.name)
	return w.put(filepath.Join(w.dir, filepath.FromSlash(path.Dir(name)), base), text)
}

// put writes a file, which can be run if it is a script.
func (w *writer) put(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	mode := fs.FileMode(0o666)
	if bytes.HasPrefix(text, []byte("#!")) {
		mode = 0o777
	}
	return os.WriteFile(name, text, mode)
}
