package plugins_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dwaar.dev/dwaar/builtin"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/plugins/internal/plugintest"
)

// promises are what a page says of configurations.
type promises struct {
	page     string
	examples []string // whole Dwaarfiles
	name     string   // of the plugin whose page it is
	options  []option
}

// option is one of a plugin's matcher, with a value that its page names.
type option struct{ name, value string }

var (
	fence  = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```")
	usage  = regexp.MustCompile("(?m)^`([a-z]+) (\\[.*?\\])`,")
	choice = regexp.MustCompile(`\[([a-z_]+) ([A-Z]+)`)
	quoted = regexp.MustCompile("`([^`]+)`")
)

func read(t *testing.T, page string) promises {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	p := promises{page: page}
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(m[1], "\tplugin ") {
			p.examples = append(p.examples, m[1])
		}
	}
	if m := usage.FindStringSubmatch(string(text)); m != nil {
		p.name = m[1]
		for _, o := range choice.FindAllStringSubmatch(m[2], -1) {
			p.options = append(p.options, option{o[1], value(string(text), o[1], o[2])})
		}
	}
	return p
}

// value is the first one that the row of an option names, or one that fits the word
// that stands for it.
func value(text, name, word string) string {
	for row := range strings.Lines(text) {
		cells := strings.SplitN(row, "|", 4)
		if len(cells) < 4 || !slices.Contains(quoted.FindAllString(cells[1], -1), "`"+name+"`") {
			continue
		}
		if m := quoted.FindStringSubmatch(cells[2]); m != nil && !strings.ContainsAny(m[1], ". ") && word != "N" {
			return m[1]
		}
	}
	if word == "N" {
		return "1"
	}
	return map[string]string{"V": "5", "PATH": "/team/project"}[word] + map[bool]string{true: "example"}[word == "NAME"]
}

// modules are the files of the plugins, by name. That of a plugin in Go is built.
func modules(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, page := range pages(t) {
		dir := filepath.Dir(page)
		name := filepath.Base(dir)
		files[name] = filepath.Join(dir, name+".wasm")
		if _, err := os.Stat(files[name]); err != nil {
			files[name] = plugintest.BuildGo(t, dir)
		}
	}
	return files
}

func pages(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("*/README.md")
	if err != nil || len(all) < 6 {
		t.Fatalf("pages %v, %v", all, err)
	}
	return all
}

// loader makes configurations as dwaar does.
func loader(t *testing.T) *config.Loader {
	t.Helper()
	r := new(host.Registry)
	builtin.Register(r)
	h := wasm.New(wasm.Options{Compiler: plugintest.Compiler(t)})
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return &config.Loader{Registry: r, Plugins: h}
}

var declared = regexp.MustCompile(`(?m)^\tplugin (\S+) (\S+)`)

// here lets the plugins of a configuration be those of this directory, whatever their
// hash.
func here(text string, files map[string]string) string {
	text = regexp.MustCompile(`(?m)^\s*sha256 .*\n`).ReplaceAllString(text, "")
	return declared.ReplaceAllStringFunc(text, func(line string) string {
		m := declared.FindStringSubmatch(line)
		return "\tplugin " + m[1] + " " + files[strings.TrimSuffix(filepath.Base(m[2]), ".wasm")]
	})
}

// Everything that the pages promise of configurations with plugins can be loaded: their
// examples, and each option on the line of its matcher, in a block, and more than once.
func TestWhatThePagesPromiseCanBeLoaded(t *testing.T) {
	t.Parallel()
	files, l := modules(t), loader(t)
	load := func(page, text string) {
		t.Helper()
		c, err := l.Load(config.Text("Dwaarfile", here(text, files)))
		if err != nil {
			t.Errorf("%s: %v\n%s", page, err, text)
			return
		}
		c.Release()
	}
	for _, page := range append(pages(t), "../docs/plugins.md") {
		p := read(t, page)
		if len(p.examples) == 0 {
			t.Errorf("%s has no example", page)
		}
		for _, text := range p.examples {
			load(page, text)
		}
		if page == "../docs/plugins.md" {
			continue
		}
		if len(p.options) < 2 {
			t.Errorf("%s has the options %v", page, p.options)
		}
		load(page, p.forms())
	}
}

// forms is a configuration with every form of the matcher.
func (p promises) forms() string {
	var sets []string
	set := func(lines ...string) { sets = append(sets, strings.Join(lines, "\n")) }
	var line, block []string
	for _, o := range p.options {
		set(p.name + " " + o.name + " " + o.value)
		set(p.name+" {", o.name+" "+o.value, "}")
		set("not "+p.name+" {", o.name+" "+o.value, "}")
		line = append(line, o.name, o.value)
		block = append(block, o.name+" "+o.value)
	}
	set(p.name + " " + strings.Join(line, " "))
	set(p.name+" {", strings.Join(block, "\n"), "}")
	set(p.name, "ssh")
	set("not {", p.name, p.name+" {", strings.Join(block, "\n"), "}", "}")
	text := "{\n\tplugin " + p.name + " " + p.name + ".wasm\n}\nlayer4 {\n:1 {\n"
	for i, s := range sets {
		text += fmt.Sprintf("@s%d {\n%s\n}\nroute @s%d {\nproxy 127.0.0.1:9\n}\n", i, s, i)
	}
	return text + "}\n}\n"
}

// The options that docs/reference.md lists of the directive itself.
func TestThePluginsOwnOptionsCanBeLoaded(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n### plugin\n")
	section, _, _ = strings.Cut(section, "\n## ")
	values := map[string]string{
		"HEX": strings.Repeat("00", 32), "N": "20000", "PAGES": "32", "NAME": "conn.* tls.server_name", "PATH": "redis/redis.wasm",
		"FILE": filepath.Join(t.TempDir(), "records"), "SIZE": "64KiB", "close": "match",
	}
	var lines []string
	for _, m := range regexp.MustCompile("(?m)^- `([^`]+)`").FindAllStringSubmatch(section, -1) {
		words := strings.FieldsFunc(m[1], func(r rune) bool { return strings.ContainsRune(" []…|", r) })
		for i, w := range words[1:] {
			if v, ok := values[w]; ok {
				words[i+1] = v
			}
		}
		if words[0] == "on_error" {
			words = []string{"on_error", "match", "unsafe"}
		}
		if words[0] != "sha256" { // the next test's
			lines = append(lines, strings.Join(words, " "))
		}
	}
	if len(lines) < 7 {
		t.Errorf("the reference lists %v", lines)
	}
	body := "\nlayer4 {\n:1 {\n@a redis db 1\nroute @a {\nproxy 127.0.0.1:9\n}\n}\n}\n"
	l := loader(t)
	c, err := l.Load(config.Text("Dwaarfile", "{\n\tplugin redis redis/redis.wasm {\n"+strings.Join(lines, "\n")+"\n}\n}"+body))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	d := c.Plugins[0]
	if d.Fuel != 20000 || d.MaxPages != 32 || len(d.Reads) != 2 || !d.Watch || d.Shadow == nil || d.Record == "" || d.OnError != "match" {
		t.Errorf("it is %+v", d)
	}
	pinned := "{\n\tplugin redis redis/redis.wasm {\nsha256 " + d.SHA256 + "\n}\n}" + body
	again, err := l.Load(config.Text("Dwaarfile", pinned))
	if err != nil {
		t.Fatal(err)
	}
	again.Release()
}
