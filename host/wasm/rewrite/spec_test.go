package rewrite

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// The specification's own test suite is compiled into scripts beside wazero's
// tests. Every module of it runs here four times: as it is, rewritten with nothing
// inserted, and rewritten with everything on both engines of wazero. All must give
// what the suite says, the last two must take the same fuel, and what a module
// wrote must lie under its marks.
func TestSpecificationSuiteGivesEqualResults(t *testing.T) {
	t.Parallel()
	root := suite(t)
	var sum tally
	for _, version := range []string{"v1", "v2"} {
		scripts, err := filepath.Glob(filepath.Join(root, version, "testdata", "*.json"))
		if err != nil || len(scripts) < 70 {
			t.Fatalf("%d scripts in %s (%v)", len(scripts), root, err)
		}
		for _, path := range scripts {
			name := version + "/" + strings.TrimSuffix(filepath.Base(path), ".json")
			t.Run(name, func(t *testing.T) {
				s := newScript(t, path, version)
				s.run()
				sum.add(s.tally)
			})
		}
	}
	t.Logf("%d scripts, %d modules, %d calls, %d refused modules that did no harm, %d units of fuel; %d memories restored by marks",
		sum.scripts, sum.modules, sum.calls, sum.refused, sum.fuel, sum.restored)
	if !t.Failed() && (sum.modules < 2_300 || sum.calls < 60_000) {
		t.Errorf("only %d modules and %d calls ran", sum.modules, sum.calls)
	}
}

// suite is where wazero's module has the scripts.
func suite(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
}

type tally struct{ scripts, modules, calls, refused, restored, fuel int }

func (t *tally) add(u tally) {
	t.scripts++
	t.modules += u.modules
	t.calls += u.calls
	t.refused += u.refused
	t.restored += u.restored
	t.fuel += u.fuel
}

// script is a file of commands.
type script struct {
	*testing.T
	tally
	dir      string
	Commands []command `json:"commands"`
	worlds   []*world
	linked   bool // modules share memories
}

type command struct {
	Type       string `json:"type"`
	Line       int    `json:"line"`
	Name       string `json:"name"`
	Filename   string `json:"filename"`
	As         string `json:"as"`
	ModuleType string `json:"module_type"`
	Action     struct {
		Type   string  `json:"type"`
		Module string  `json:"module"`
		Field  string  `json:"field"`
		Args   []value `json:"args"`
	} `json:"action"`
	Expected []value `json:"expected"`
}

type value struct {
	Type  string `json:"type"`
	Lane  string `json:"lane_type"`
	Value any    `json:"value"`
}

// world is one way to run the modules.
type world struct {
	name    string
	runtime wazero.Runtime
	rewrite bool
	without Parts
	last    *living
	named   map[string]*living
}

// living is an instance in a world.
type living struct {
	api.Module
	image []byte // of its memory, when it began
	masks int
}

func newScript(t *testing.T, path, version string) *script {
	t.Helper()
	s := &script{T: t, dir: filepath.Dir(path)}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, s); err != nil {
		t.Fatal(err)
	}
	features := map[string]api.CoreFeatures{"v1": api.CoreFeaturesV1, "v2": api.CoreFeaturesV2}[version]
	compiler, interpreter := wazero.NewRuntimeConfigCompiler(), wazero.NewRuntimeConfigInterpreter()
	for _, w := range []struct {
		name    string
		config  wazero.RuntimeConfig
		rewrite bool
		without Parts
	}{
		{"plain", interpreter, false, 0},
		{"encoded again", compiler, true, Metering | Freezing | Marking},
		{"rewritten", compiler, true, 0},
		{"rewritten, interpreted", interpreter, true, 0},
	} {
		r := wazero.NewRuntimeWithConfig(t.Context(), w.config.WithCoreFeatures(features).WithDebugInfoEnabled(false))
		t.Cleanup(func() { _ = r.Close(context.Background()) })
		spectest, err := os.ReadFile(filepath.Join(s.dir, "..", "..", "testdata", "spectest.wasm"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.InstantiateWithConfig(t.Context(), spectest, wazero.NewModuleConfig()); err != nil {
			t.Fatal(err)
		}
		s.worlds = append(s.worlds, &world{name: w.name, runtime: r, rewrite: w.rewrite, without: w.without, named: map[string]*living{}})
	}
	s.linked = slices.ContainsFunc(s.Commands, func(c command) bool { return c.Type == "register" })
	return s
}

func (s *script) run() {
	for i, c := range s.Commands {
		switch c.Type {
		case "module":
			as := ""
			if i+1 < len(s.Commands) && s.Commands[i+1].Type == "register" {
				as = s.Commands[i+1].As
			}
			s.restore()
			s.module(c, as)
		case "assert_return", "action", "assert_trap", "assert_exhaustion":
			s.call(c)
		case "assert_malformed", "assert_invalid":
			s.invalid(c)
		case "assert_unlinkable", "assert_uninstantiable":
			s.module(c, "")
		case "register": // done with its module
		default:
			s.Fatalf("line %d: a %s", c.Line, c.Type)
		}
	}
	s.restore()
}

func (s *script) read(c command) []byte {
	src, err := os.ReadFile(filepath.Join(s.dir, c.Filename))
	if err != nil {
		s.Fatal(err)
	}
	return src
}

// spacious are limits that the suite keeps.
func spacious() Limits {
	most := math.MaxInt32
	return Limits{
		File: most, MemoryPages: 1 << 16, TableSize: math.MaxUint32, Tables: most, Body: most, Blocks: most, Locals: math.MaxInt64,
		LocalsBlocks: math.MaxInt64, Squares: math.MaxInt64, Functions: most, Types: most, Items: most, Params: most, Results: most, Manifest: most,
	}
}

// rewriteAny rewrites a module whatever it imports and exports.
func rewriteAny(src []byte, o Options) (*Result, error) {
	l := spacious()
	m, err := parse(src, l)
	if err != nil {
		return nil, err
	}
	grows, err := survey(m, l)
	if err != nil {
		return nil, err
	}
	return transform(m, l, o, grows)
}

// module makes an instance in every world, which must succeed in all or in none.
func (s *script) module(c command, as string) {
	src := s.read(c)
	s.modules++
	var want error
	for i, w := range s.worlds {
		in, err := s.instantiate(w, src, as)
		if i == 0 {
			want = err
		}
		if (err == nil) != (want == nil) {
			s.Errorf("%s line %d, %s: %v, plain: %v", c.Filename, c.Line, w.name, err, want)
		}
		if c.Type != "module" {
			continue
		}
		if err != nil {
			s.Fatalf("%s line %d, %s: %v", c.Filename, c.Line, w.name, err)
		}
		w.last = in
		if c.Name != "" {
			w.named[c.Name] = in
		}
	}
}

func (s *script) instantiate(w *world, src []byte, as string) (*living, error) {
	in := &living{}
	if w.rewrite {
		res, err := rewriteAny(src, Options{Without: w.without})
		if err != nil {
			return nil, fmt.Errorf("rewriting: %w", err)
		}
		src, in.masks = res.Wasm, res.Masks
	}
	var err error
	in.Module, err = w.runtime.InstantiateWithConfig(s.Context(), src, wazero.NewModuleConfig().WithName(as))
	if err == nil && in.masks > 0 && !s.linked {
		b, _ := in.Memory().Read(0, in.Memory().Size())
		in.image = slices.Clone(b)
		in.setGlobal(LowGlobal, 0)
		in.setGlobal(HighGlobal, 0)
	}
	return in, err
}

func (l *living) setGlobal(name string, v uint64) {
	if g, ok := l.ExportedGlobal(name).(api.MutableGlobal); ok {
		g.Set(v)
	}
}

func (l *living) global(name string) int64 {
	if g := l.ExportedGlobal(name); g != nil {
		return int64(g.Get())
	}
	return 0
}

// invalid checks that a module the suite calls invalid is refused, by the engine or
// by the rewriter, which must survive it in any case.
func (s *script) invalid(c command) {
	if c.ModuleType == "text" {
		return
	}
	src := s.read(c)
	s.refused++
	_, compiling := s.worlds[0].runtime.CompileModule(s.Context(), src)
	_, rewriting := rewriteAny(src, Options{})
	if compiling == nil && rewriting == nil { // one of them must have seen it
		s.Errorf("%s line %d: accepted", c.Filename, c.Line)
	}
	_, _ = Module(src, Options{})
}

const plenty = 1 << 40 // fuel of a call

// call makes a call in every world.
func (s *script) call(c command) {
	s.calls++
	var plain error
	used := map[bool]int64{}
	for i, w := range s.worlds {
		in := w.last
		if c.Action.Module != "" {
			in = w.named[c.Action.Module]
		}
		if c.Action.Type == "get" {
			s.compare(c, w, []uint64{in.ExportedGlobal(c.Action.Field).Get()})
			continue
		}
		in.setGlobal(FuelGlobal, plenty)
		in.setGlobal(StackGlobal, DefaultStack)
		results, err := in.ExportedFunction(c.Action.Field).Call(s.Context(), words(c.Action.Args)...)
		if i == 0 {
			plain = err
		}
		s.judge(c, w, in, results, err, plain)
		if w.rewrite && w.without == 0 && c.Type != "assert_exhaustion" { // the interpreter has its own depth
			used[strings.Contains(w.name, "interpreted")] = plenty - in.global(FuelGlobal)
		}
	}
	if used[true] != used[false] {
		s.Errorf("line %d: %d units of fuel compiled, %d interpreted", c.Line, used[false], used[true])
	}
	s.fuel += int(used[true])
}

func (s *script) judge(c command, w *world, in *living, results []uint64, err, plain error) {
	switch {
	case c.Type == "assert_exhaustion":
		if err == nil || (w.name == "rewritten" && in.global(StackGlobal) >= 0) {
			s.Errorf("line %d, %s: %v with %d slots left", c.Line, w.name, err, in.global(StackGlobal))
		}
	case c.Type == "assert_trap":
		if err == nil || firstLine(err) != firstLine(plain) {
			s.Errorf("line %d, %s: %v, plain: %v", c.Line, w.name, err, plain)
		}
	case err != nil:
		s.Errorf("line %d, %s: %v", c.Line, w.name, err)
	case c.Type == "assert_return":
		s.compare(c, w, results)
	}
	if err == nil && w.rewrite && w.without == 0 && in.global(StackGlobal) != DefaultStack {
		s.Errorf("line %d, %s: %d stack slots left of %d", c.Line, w.name, in.global(StackGlobal), DefaultStack)
	}
}

func firstLine(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// restore puts the memories of the last instances back by their marks.
func (s *script) restore() {
	for _, w := range s.worlds {
		if w.last == nil || w.last.image == nil {
			continue
		}
		mem, _ := w.last.Memory().Read(0, w.last.Memory().Size())
		if len(mem) != len(w.last.image) { // it grew: not frozen
			continue
		}
		marks := Marks{Low: uint64(w.last.global(LowGlobal)), High: uint64(w.last.global(HighGlobal))}
		if w.last.masks == 1 {
			marks.High = math.MaxUint64
		}
		marks.Restore(mem, w.last.image)
		if !slices.Equal(mem, w.last.image) {
			s.Errorf("%s: memory differs behind marks %+v", w.name, marks)
		}
		s.restored++
	}
}

// words are values as an engine takes them: two for a vector.
func words(values []value) []uint64 {
	var out []uint64
	for _, v := range values {
		lanes, ok := v.Value.([]any)
		if !ok {
			out = append(out, bitsOf(v.Type, v.Value))
			continue
		}
		width := 128 / len(lanes)
		pair := [2]uint64{}
		for i, lane := range lanes {
			pair[i*width/64] |= bitsOf(v.Lane, lane) << (i * width % 64)
		}
		out = append(out, pair[:]...)
	}
	return out
}

// bitsOf reads a number. NaN patterns stand for any NaN and are compared apart.
func bitsOf(typ string, v any) uint64 {
	text, _ := v.(string)
	switch {
	case v == nil || text == "null" || strings.HasPrefix(text, "nan:"):
		return 0
	case strings.HasPrefix(text, "-"):
		n, _ := strconv.ParseInt(text, 10, 64)
		return uint64(n)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic(text)
	}
	if typ == "externref" {
		n++ // an engine's null is 0
	}
	return n
}

// compare compares results with what the suite expects, lane by lane.
func (s *script) compare(c command, w *world, got []uint64) {
	for i, want := range c.Expected {
		lanes, vector := want.Value.([]any)
		if !vector {
			lanes, want.Lane = []any{want.Value}, want.Type
		}
		n := 1
		if vector {
			n = 2
		}
		if len(got) < n {
			s.Errorf("line %d, %s: %d results are missing", c.Line, w.name, len(c.Expected)-i)
			return
		}
		for l, lane := range lanes {
			width := widthOf(want.Lane)
			bit := got[l*width/64] >> (l * width % 64) << (64 - width) >> (64 - width)
			if !agrees(want.Lane, width, lane, bit) {
				s.Errorf("line %d, %s: result %d lane %d of %s is %#x, want %v", c.Line, w.name, i, l, c.Action.Field, bit, lane)
			}
		}
		got = got[n:]
	}
}

func widthOf(typ string) int {
	width := map[string]int{"i8": 8, "i16": 16, "i32": 32, "f32": 32}[typ]
	if width == 0 {
		width = 64
	}
	return width
}

func agrees(typ string, width int, want any, got uint64) bool {
	text, _ := want.(string)
	switch {
	case want == nil && (typ == "funcref" || typ == "externref"):
		return true // any
	case strings.HasPrefix(text, "nan:") && width == 32:
		return math.IsNaN(float64(math.Float32frombits(uint32(got)))) && got&(1<<22) != 0
	case strings.HasPrefix(text, "nan:"):
		return math.IsNaN(math.Float64frombits(got)) && got&(1<<51) != 0
	default:
		return got == bitsOf(typ, want)<<(64-width)>>(64-width)
	}
}

func TestSuiteComparesWhatItShould(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		typ  string
		want any
		got  uint64
		ok   bool
	}{
		"a number":               {"i32", "4294967295", 0xffffffff, true},
		"another number":         {"i32", "7", 8, false},
		"a negative lane":        {"i8", "-1", 0xff, true},
		"a quiet NaN":            {"f32", "nan:canonical", 0x7fc00000, true},
		"infinity is no NaN":     {"f64", "nan:arithmetic", 0x7ff0000000000000, false},
		"minus zero is not zero": {"f64", "0", 1 << 63, false},
		"null":                   {"funcref", "null", 1, false},
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		tt := tests[name]
		if got := agrees(tt.typ, widthOf(tt.typ), tt.want, tt.got); got != tt.ok {
			t.Errorf("%s: %v and %#x agree: %t, want %t", name, tt.want, tt.got, got, tt.ok)
		}
	}
}
