package kit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/host/wasm"
)

// engine runs guests for one test.
func engine(t testing.TB) *wasm.Host {
	t.Helper()
	h := wasm.New(wasm.Options{})
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// hello is the directory of a new plugin.
func hello(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "hello")
	if _, err := Create(dir, C); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// wat assembles a module with a page of memory, a window in its second half, and more.
func wat(t testing.TB, dir, more string) string {
	t.Helper()
	tool := realtest.Look(t, "wat2wasm")
	in, out := filepath.Join(dir, "m.wat"), filepath.Join(dir, "m.wasm")
	write(t, in, `(module (memory (export "memory") 1)
		(func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 32768)) `+more+`)`)
	if printed, err := exec.CommandContext(t.Context(), tool, in, "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	return out
}

// roomy is wat with a second page, for heads of all lengths.
func roomy(t testing.TB, dir, more string) string {
	t.Helper()
	return wat(t, dir, more+` (func (export "_initialize") (drop (memory.grow (i32.const 2))))`)
}

func test(t testing.TB, s Select, o TestOptions) *Report {
	t.Helper()
	sub, err := Find(s)
	if err != nil {
		t.Fatal(err)
	}
	r, err := sub.Test(engine(t), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// said is what a report has, a line for each answer.
func said(r *Report) []string {
	var lines []string
	for _, a := range r.Answers {
		line := a.Matcher + " | " + a.Sample + " | " + a.Answer
		if a.Failed {
			line += " | want " + a.Want
		}
		lines = append(lines, line)
	}
	return lines
}

func TestANewPluginSaysWhatIsWrittenDownAndObeysTheLaws(t *testing.T) {
	t.Parallel()
	for _, l := range []Language{C, Rust, AssemblyScript} {
		t.Run(string(l), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "wave")
			if _, err := Create(dir, l); err != nil {
				t.Fatal(err)
			}
			r := test(t, Select{Paths: []string{dir}}, TestOptions{Split: true})
			if r.Failures > 0 || len(r.Answers) != 9 || r.Answers[2].Answer != `yes who="world"` {
				t.Errorf("%d failures, %q, broken %v", r.Failures, said(r), r.Broken)
			}
			for _, a := range r.Answers {
				if a.Fuel <= 0 || a.Fuel > a.Budget/20 {
					t.Errorf("%s about %s takes %d of %d", a.Matcher, a.Sample, a.Fuel, a.Budget)
				}
			}
		})
	}
}

// The plugins of the repository lie as the kit wants it: what their own tests say of
// them, it says as well.
func TestPluginsOfTheRepositoryPass(t *testing.T) {
	t.Parallel()
	modules, err := filepath.Glob(filepath.Join(root, "plugins/*/*.wasm"))
	if err != nil || len(modules) == 0 {
		t.Fatalf("there are none (%v)", err)
	}
	for _, module := range modules {
		t.Run(filepath.Base(module), func(t *testing.T) {
			t.Parallel()
			r := test(t, Select{Paths: []string{filepath.Dir(module)}}, TestOptions{})
			if r.Failures > 0 || len(r.Answers) == 0 {
				t.Errorf("%d failures in %d answers, stale %q", r.Failures, len(r.Answers), r.Stale)
			}
			for _, a := range r.Answers {
				if a.Failed {
					t.Errorf("%s, %s: %s, want %s", a.Matcher, a.Sample, a.Answer, a.Want)
				}
			}
		})
	}
}

func TestADifferenceIsFoundAndWrittenDownOnRequest(t *testing.T) {
	t.Parallel()
	dir := hello(t)
	file := filepath.Join(dir, verdictsFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wrong := strings.Replace(string(text), `who="world"`, `who="moon"`, 1) + "\tgone: no\nhello six\n"
	write(t, file, "# What the plugin is to say.\n\n"+wrong)
	r := test(t, Select{Paths: []string{dir}}, TestOptions{})
	want := []string{
		`hello | begun | need 10`, `hello | tls | no`, `hello | world | yes who="world" | want yes who="moon"`,
		`hello world | begun | need 10`, `hello world | tls | no`, `hello world | world | yes who="world"`,
		`hello moon | begun | need 10`, `hello moon | tls | no`, `hello moon | world | no`,
		`hello six | begun | need 10 | want `, `hello six | tls | no | want `, `hello six | world | no | want `,
	}
	if diff := cmp.Diff(want, said(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Failures != 5 || len(r.Stale) != 1 || r.Stale[0] != "gone" {
		t.Errorf("%d failures, stale %q", r.Failures, r.Stale)
	}
	r = test(t, Select{Paths: []string{dir}}, TestOptions{Update: true})
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text)+"hello six\n\tbegun: need 10\n\ttls: no\n\tworld: no\n", string(got)); diff != "" || r.Updated != file {
		t.Errorf("it wrote %s (-want +got):\n%s", r.Updated, diff)
	}
	if r := test(t, Select{Paths: []string{dir}}, TestOptions{}); r.Failures > 0 {
		t.Errorf("then %d differ", r.Failures)
	}
}

func TestSamplesAreNamedOrWritten(t *testing.T) {
	t.Parallel()
	dir := hello(t)
	module := filepath.Join(dir, "hello.wasm")
	one := write(t, filepath.Join(dir, "one.hex"), "48 45 4c:4c 4f # HELLO\n20 78 0a\n")
	r := test(t, Select{Paths: []string{module, one, "../capture/testdata/loopback.pcap"}, Hex: []string{"48"}}, TestOptions{})
	want := []string{
		`hello | one | yes who="x"`, `hello | loopback/1 | yes who="world"`, `hello | loopback/2 | yes who="six"`,
		`hello | loopback/3 | no`, `hello | hex 1 | need 2`,
	}
	if diff := cmp.Diff(want, said(r)[:5]); diff != "" || r.Failures != 0 {
		t.Errorf("%d failures (-want +got):\n%s", r.Failures, diff)
	}
}

func TestQuestionsAreAsked(t *testing.T) {
	t.Parallel()
	dir := hello(t)
	r := test(t, Select{Paths: []string{dir}, Ask: []string{"hello moon", "hello six"}, Hex: []string{"48 45 4c 4c 4f 20 73 69 78 0a"}}, TestOptions{})
	if diff := cmp.Diff([]string{"hello moon | hex 1 | no", `hello six | hex 1 | yes who="six"`}, said(r)); diff != "" || r.Failures != 0 {
		t.Errorf("%d failures (-want +got):\n%s", r.Failures, diff)
	}
}

// A matcher that is asked without anything written down is asked as it is.
func TestWithoutVerdictsEachMatcherIsAsked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	wat(t, dir, `
		(func (export "dwaar_v1_match") (param i32 i32 i32) (result i32) (i32.const 7))
		(func (export "dwaar_v1_match_b") (param i32 i32 i32) (result i32) (unreachable))`)
	r := test(t, Select{Paths: []string{dir}, Hex: []string{"00"}}, TestOptions{})
	want := []string{"m | hex 1 | yes 7", "m.b | hex 1 | error: it trapped: unreachable | want "}
	if diff := cmp.Diff(want, said(r)); diff != "" || r.Failures != 1 {
		t.Errorf("%d failures (-want +got):\n%s", r.Failures, diff)
	}
}

func TestWhatAGuestLogsIsShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tool := realtest.Look(t, "wat2wasm")
	in, module := filepath.Join(dir, "m.wat"), filepath.Join(dir, "m.wasm")
	write(t, in, `(module
		(import "dwaar_v1" "log" (func $log (param i32 i32 i32)))
		(memory (export "memory") 1)
		(data (i32.const 0) "I was asked")
		(func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
		(func (export "dwaar_v1_match") (param i32 i32 i32) (result i32)
			(call $log (i32.const 0) (i32.const 0) (i32.const 11)) (i32.const 1)))`)
	if printed, err := exec.CommandContext(t.Context(), tool, in, "-o", module).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	sub, err := Find(Select{Paths: []string{dir}, Hex: []string{"00", "01"}})
	if err != nil {
		t.Fatal(err)
	}
	sub.Heard = new(Ear)
	h := wasm.New(wasm.Options{Listen: sub.Heard.Hear})
	defer h.Close()
	r, err := sub.Test(h, TestOptions{Split: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range r.Answers {
		if diff := cmp.Diff([]string{"I was asked"}, a.Logs); diff != "" {
			t.Errorf("%s (-want +got):\n%s", a.Sample, diff)
		}
	}
}

// The matcher says yes to an A at the end of what is there: its answer depends on where
// the bytes are cut.
func TestBrokenLawsAreFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	roomy(t, dir, `(func (export "dwaar_v1_match") (param $at i32) (param $n i32) (param i32) (result i32)
		(if (i32.eqz (local.get $n)) (then (return (i32.const -1))))
		(i32.eq (i32.const 65) (i32.load8_u (i32.sub (i32.add (local.get $at) (local.get $n)) (i32.const 1)))))`)
	r := test(t, Select{Paths: []string{dir}, Hex: []string{"41 42 41"}}, TestOptions{Split: true})
	if len(r.Broken) != 1 || r.Failures != 1 || !strings.Contains(r.Broken[0].Law, "checking the laws of m with") {
		t.Errorf("%+v", r)
	}
	r = test(t, Select{Paths: []string{dir}, Hex: []string{"udp 41\n\n42"}}, TestOptions{Split: true})
	if len(r.Broken) != 1 || !strings.Contains(r.Broken[0].Law, "decided yes, but the longer head") {
		t.Errorf("with datagrams: %+v", r)
	}
}

func TestDatagramsAreSeenAsSuch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// How many there are, which stands at 92 of the info block, and where the first ends.
	roomy(t, dir, `(func (export "dwaar_v1_match") (param i32) (param $n i32) (param $info i32) (result i32)
		(if (i32.eqz (i32.load offset=92 (local.get $info))) (then (return (i32.const -2147483648))))
		(i32.add (i32.mul (i32.const 10) (i32.load offset=92 (local.get $info))) (i32.load (i32.load offset=88 (local.get $info)))))`)
	r := test(t, Select{Paths: []string{dir, "../capture/testdata/loopback.pcap"}, Hex: []string{"udp 41\n41\n\n42"}}, TestOptions{})
	want := []string{"m | loopback/1 | unknown", "m | loopback/2 | unknown", "m | loopback/3 | yes 23", "m | hex 1 | yes 22"}
	if diff := cmp.Diff(want, said(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsWrongIsSaidWhereItStands(t *testing.T) {
	t.Parallel()
	dir := hello(t)
	for text, want := range map[string]string{
		"hello a b\n\tworld: no\n":         "verdicts.golden:1:9: hello: takes one name",
		"\n\nhello a {\n\tb\n}\n":          "verdicts.golden:3:",
		"hallo\n":                          "verdicts.golden:1:1: hallo is no matcher of this plugin: it is called hello here",
		"hello.x\n":                        "it has no matcher \"x\"",
		"\tworld: no\n":                    "verdicts.golden:1: \"world: no\" is no answer",
		"hello\n\tworld\n":                 "verdicts.golden:2: \"world\" is no answer",
		"hello {\n":                        "verdicts.golden:1: a block is not closed",
		"hello \"\n":                       "verdicts.golden:1:7: ",
		"hello }\n}\n":                     "verdicts.golden:1:",
		"@x hello\n":                       "verdicts.golden:1:",
		"hello {$HOME} {\n\timport x\n}\n": "verdicts.golden:",
	} {
		write(t, filepath.Join(dir, verdictsFile), text)
		sub, err := Find(Select{Paths: []string{dir}})
		if err == nil {
			_, err = sub.Test(engine(t), TestOptions{})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	dir, empty := hello(t), t.TempDir()
	write(t, filepath.Join(dir, "other.wasm"), "")
	if sub, err := Find(Select{Paths: []string{dir}}); err != nil || sub.Name != "hello" {
		t.Errorf("of two modules that of the directory's name is meant: %v, %v", sub, err)
	}
	two := t.TempDir()
	write(t, filepath.Join(two, "a.wasm"), "")
	write(t, filepath.Join(two, "b.wasm"), "")
	twins := hello(t)
	write(t, filepath.Join(twins, samplesDir, "world.bin"), "")
	for want, s := range map[string]Select{
		"no such file":                      {Paths: []string{"missing"}},
		"there is no module in":             {Paths: []string{empty}},
		"there are several modules in":      {Paths: []string{two}},
		"name one directory or one module":  {Paths: []string{dir, empty}},
		"it is not hexadecimal":             {Paths: []string{dir}, Hex: []string{"4"}},
		"neither pcap nor pcapng":           {Paths: []string{dir, write(t, filepath.Join(empty, "x.pcap"), "text")}},
		"both called world: rename one":     {Paths: []string{twins}},
		"more than 1 MiB":                   {Paths: []string{dir, write(t, filepath.Join(empty, "big"), strings.Repeat("x", 1<<20+1))}},
		"write a matcher, and then, behind": {Paths: []string{twinsWith(t, "\tx: y\n")}},
	} {
		if _, err := Find(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	sub, err := Find(Select{Paths: []string{wat(t, empty, `(func (export "dwaar_v1_match") (param i32 i32 i32) (result i32) (i32.const 7))`)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sub.Test(engine(t), TestOptions{}); err == nil || !strings.Contains(err.Error(), "there are no samples") {
		t.Errorf("%v", err)
	}
	if _, err := sub.Bench(engine(t), BenchOptions{}); err == nil || !strings.Contains(err.Error(), "there are no samples") {
		t.Errorf("%v", err)
	}
	sub, err = Find(Select{Paths: []string{dir}, Hex: []string{"00"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sub.Test(engine(t), TestOptions{Update: true}); err == nil || !strings.Contains(err.Error(), "only all samples and questions together") {
		t.Errorf("%v", err)
	}
}

// twinsWith is a plugin with other verdicts.
func twinsWith(t testing.TB, verdicts string) string {
	t.Helper()
	dir := hello(t)
	write(t, filepath.Join(dir, verdictsFile), verdicts)
	return dir
}

func TestBenchMeasuresEveryMatcherAndSample(t *testing.T) {
	t.Parallel()
	sub, err := Find(Select{Paths: []string{hello(t)}, Ask: []string{"hello", "hello world"}})
	if err != nil {
		t.Fatal(err)
	}
	sub.Samples = []Sample{{Name: "world", Network: "tcp", Head: []byte("HELLO world\n")}}
	all, err := sub.Bench(engine(t), BenchOptions{For: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range all {
		seen[m.Matcher] = true
		if m.NS <= 0 || m.ChangingNS <= 0 || m.Fuel <= 0 || m.Budget <= m.Fuel || m.Bytes != 12 || m.Answer != `yes who="world"` {
			t.Errorf("%+v", m)
		}
	}
	if diff := cmp.Diff(map[string]bool{"hello": true, "hello world": true}, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]int{{1}, {1, 2}, {1, 2, 4, 6}, {1, 2, 4, 8}}, [][]int{widths(1), widths(2), widths(6), widths(8)}); diff != "" {
		t.Errorf("widths (-want +got):\n%s", diff)
	}
}

func TestInspectSaysWhatKeepsAModuleFromBeingLoaded(t *testing.T) {
	t.Parallel()
	for want, more := range map[string]string{
		"exports _start, as programs do":         `(func (export "_start"))`,
		`exports "dwaar_v1_mtch", which version`: `(func (export "dwaar_v1_mtch"))`,
		"exports no matcher":                     ``,
	} {
		in, err := Inspect(engine(t), wat(t, t.TempDir(), more))
		if err != nil {
			t.Fatal(err)
		}
		if in.Valid || len(in.Problems) != 1 || !strings.Contains(in.Problems[0], want) || in.Survey.Size == 0 {
			t.Errorf("%+v, want %s", in, want)
		}
	}
	text := write(t, filepath.Join(t.TempDir(), "text.wasm"), "text")
	if in, err := Inspect(engine(t), text); err != nil || in.Valid || !strings.Contains(in.Problems[0], "is no WebAssembly module") {
		t.Errorf("%+v, %v", in, err)
	}
	if _, err := Inspect(engine(t), "missing.wasm"); err == nil {
		t.Error("a file that is not there was looked at")
	}
}

func TestInspectSeesWhatAuthorsDoByMistake(t *testing.T) {
	t.Parallel()
	for want, more := range map[string]string{
		"m says no before the first byte":  `(func (export "dwaar_v1_match") (param i32 i32 i32) (result i32) (i32.const 0))`,
		"m has no answer to an empty head": `(func (export "dwaar_v1_match") (param i32 i32 i32) (result i32) (unreachable))`,
		"it has no section dwaar.manifest": `(func (export "dwaar_v1_match") (param i32 i32 i32) (result i32) (i32.const 1))`,
	} {
		in, err := Inspect(engine(t), wat(t, t.TempDir(), more))
		if err != nil {
			t.Fatal(err)
		}
		if advice := strings.Join(in.Advice, "\n"); !in.Valid || !strings.Contains(advice, want) {
			t.Errorf("%s, want %s", advice, want)
		}
	}
	in, err := Inspect(engine(t), filepath.Join(hello(t), "hello.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Advice) != 0 || in.Datagrams || in.Plugin.Name != "hello" || len(in.Survey.Imports) != 2 {
		t.Errorf("%+v", in)
	}
}
