package rewrite

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// Whatever the bytes are, nothing panics; and what an engine accepts before it was
// rewritten it accepts afterwards.
func FuzzModule(f *testing.F) {
	valid := validator(f)
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		kept := slices.Clone(src)
		validated := false
		res, err := Module(src, Options{Validate: func(src []byte) error {
			err := valid(src)
			validated = err == nil
			return err
		}})
		if !bytes.Equal(src, kept) {
			t.Fatal("the module was changed in place")
		}
		if err == nil && !validated {
			t.Fatal("nobody validated the original")
		}
		if err == nil {
			if err := valid(res.Wasm); err != nil {
				t.Fatalf("valid before, and now: %v", err)
			}
		}
		if _, err := rewriteAny(src, Options{}); err == nil && valid(src) == nil {
			res, _ := rewriteAny(src, Options{})
			if err := valid(res.Wasm); err != nil {
				t.Fatalf("valid before, and now, with anything allowed: %v", err)
			}
		}
	})
}

// seeds are modules of many kinds: generated ones, and some of the suite.
func seeds(f *testing.F) [][]byte {
	var all [][]byte
	for i := range uint64(8) {
		g, _ := generate(random(i))
		all = append(all, g.bytes())
	}
	for _, name := range []string{"br_table.0", "simd_const.0", "bulk.0", "ref_func.1", "global.0", "select.0", "elem.0", "custom.0"} {
		if src, err := os.ReadFile(filepath.Join(suite(f), "v2", "testdata", name+".wasm")); err == nil && len(src) < 4_000 {
			all = append(all, src)
		}
	}
	return all
}

func random(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 50+r.IntN(400))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// The bytes choose a module: it must do the same before and after, take the same
// fuel on both engines, and be put back by its marks.
func FuzzGuest(f *testing.F) {
	for i := range uint64(8) {
		f.Add(random(100 + i))
	}
	f.Fuzz(prove)
}

func TestGeneratedGuestsDoTheSame(t *testing.T) {
	t.Parallel()
	for i := range uint64(400) {
		prove(t, random(1_000+i))
		if t.Failed() {
			t.Fatalf("seed %d", 1_000+i)
		}
	}
}

// prove runs one generated module.
func prove(t *testing.T, in []byte) {
	g, shape := generate(in)
	src := g.bytes()
	res, err := Module(src, Options{Validate: validator(t)})
	if err != nil {
		t.Fatalf("what was generated is refused: %v", err)
	}
	compiler, interpreter := newRuntime(t, wazero.NewRuntimeConfigCompiler()), newRuntime(t, wazero.NewRuntimeConfigInterpreter())
	plain := subjectOf(t, compiler, src, nil)
	compiled, interpreted := subjectOf(t, compiler, res.Wasm, res), subjectOf(t, interpreter, res.Wasm, res)
	for i := range g.funcs {
		for _, arg := range []uint64{0, 1, 65_000} {
			want := plain.run(i, arg)
			got, other := compiled.run(i, arg), interpreted.run(i, arg)
			if diff := cmp.Diff(want.seen(), got.seen()); diff != "" {
				t.Fatalf("f%d(%d) (-plain +rewritten):\n%s", i, arg, diff)
			}
			if diff := cmp.Diff(got, other); diff != "" {
				t.Fatalf("f%d(%d) (-compiled +interpreted):\n%s", i, arg, diff)
			}
			if !bytes.Equal(plain.memory(), compiled.memory()) || !bytes.Equal(plain.memory(), interpreted.memory()) {
				t.Fatalf("f%d(%d) leaves another memory", i, arg)
			}
			if shape {
				break // only a frozen module can be put back
			}
			plain.restore()
			compiled.restore()
			interpreted.restore()
		}
		if shape {
			break
		}
	}
}

// subject is an instance under proof.
type subject struct {
	instance
	image   []byte
	globals map[string]uint64 // what its own began with
}

func subjectOf(t *testing.T, r wazero.Runtime, wasm []byte, res *Result) *subject {
	t.Helper()
	mod, err := r.InstantiateWithConfig(context.Background(), wasm, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatalf("what was generated does not run: %v", err)
	}
	s := &subject{instance: instance{&living{Module: mod}, t, res}, globals: map[string]uint64{}}
	s.image = slices.Clone(s.memory())
	for _, name := range []string{"g0", "g1"} {
		s.globals[name] = mod.ExportedGlobal(name).Get()
	}
	return s
}

// outcome is what a call did.
type outcome struct {
	Results []uint64
	Trap    string
	Globals [2]uint64
	Fuel    int64
	Marks   Marks
}

// seen is the part that an unchanged module has as well.
func (o outcome) seen() outcome { return outcome{Results: o.Results, Trap: o.Trap, Globals: o.Globals} }

func (s *subject) run(i int, arg uint64) outcome {
	name := []string{"f0", "f1", "f2"}[i]
	var o outcome
	res, err := s.call(name, arg, arg<<20|arg)
	o.Trap = firstLine(err)
	for j, v := range res {
		if types := s.ExportedFunction(name).Definition().ResultTypes(); j < len(types) && types[j] == api.ValueTypeI32 {
			v = uint64(uint32(v)) // the engine leaves anything in the rest
		}
		o.Results = append(o.Results, v)
	}
	o.Globals = [2]uint64{s.ExportedGlobal("g0").Get(), s.ExportedGlobal("g1").Get()}
	if s.res != nil {
		o.Fuel, o.Marks = s.used(), s.marks()
	}
	return o
}

// restore puts a subject back: the plain one by copying everything, a rewritten one
// by its marks and the list of its globals.
func (s *subject) restore() {
	s.t.Helper()
	for name, v := range s.globals {
		s.ExportedGlobal(name).(api.MutableGlobal).Set(v)
	}
	if s.res == nil {
		copy(s.memory(), s.image)
		return
	}
	s.setGlobal(FrozenGlobal, Frozen)
	if s.marks().Restore(s.memory(), s.image); !bytes.Equal(s.memory(), s.image) {
		s.t.Fatalf("memory differs behind the marks %x", s.marks())
	}
	s.clearMarks()
}
