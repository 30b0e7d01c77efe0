package wasm

import (
	"context"
	"crypto/sha256"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"dwaar.dev/dwaar/builtin/tls"
	"dwaar.dev/dwaar/host/wasm/rewrite"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// BenchmarkRatios asks the committed guests, the same without what puts them back, and
// the native matcher for 256 names in random order, by turns in one run: everything of
// an evaluation is in it, and ratios are those of each turn. A line is a metric: the
// median of all turns.
//
//	go test -run '^$' -bench Ratios -benchtime 500x ./host/wasm
func BenchmarkRatios(b *testing.B) {
	hellos, names := manyNames(b, 256)
	line := "x " + strings.Join(names, " ")
	k := newBench(b)
	subjects := []subject{
		{name: "native", ms: []sdk.Matcher{nativeNames(b, names)}},
		{name: "sni", ms: []sdk.Matcher{k.must(sniGuest, line)}},
		{name: "sni-unreset", ms: []sdk.Matcher{k.unreset(sniGuest, names)}},
		{name: "store", ms: []sdk.Matcher{k.must(sniStoreGuest, line)}},
		{name: "store-unreset", ms: []sdk.Matcher{k.unreset(sniStoreGuest, names)}},
		{name: "sni-other-config", ms: k.two(sniGuest, names)},
		{name: "store-other-config", ms: k.two(sniStoreGuest, names)},
		{name: "go-minecraft", ms: []sdk.Matcher{k.must(moduleGo(b, "./plugins/minecraft"), "x")}, heads: flights(b, "minecraft/*.bin")},
		{name: "go-sample", ms: []sdk.Matcher{k.must(sampleGo(b), "x")}, heads: flights(b, "minecraft/*.bin")},
	}
	of := func(name string) *subject {
		return &subjects[slices.IndexFunc(subjects, func(s subject) bool { return s.name == name })]
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := 0; b.Loop(); i++ {
		for j := range subjects { // another one is first in each turn
			subjects[(i+j)%len(subjects)].turn(b, hellos)
		}
	}
	for _, s := range subjects {
		b.ReportMetric(median(s.took), s.name+"-ns")
	}
	for _, r := range [][2]string{
		{"sni", "sni-unreset"},
		{"store", "store-unreset"},
		{"sni", "native"},
		{"store", "native"},
		{"sni-other-config", "sni"},
		{"store-other-config", "store"},
	} {
		b.ReportMetric(median(quotients(of(r[0]).took, of(r[1]).took)), r[0]+"/"+r[1])
	}
	b.ReportMetric(0, "ns/op") // of all of them: says nothing
}

// subject is what takes turns.
type subject struct {
	name  string
	ms    []sdk.Matcher // asked one after the other
	heads [][]byte      // nil: hellos
	took  []float64     // nanoseconds for an evaluation, of each turn
}

func (s *subject) turn(b *testing.B, heads [][]byte) {
	b.Helper()
	if s.heads != nil {
		heads = s.heads
	}
	const evaluations = 1024
	f, kept := matchtest.TCP(), &keeper{}
	begin := threadTime()
	for i := range evaluations {
		f.Rehead(heads[i%len(heads)])
		f.Bind(kept)
		if v, err := s.ms[i%len(s.ms)].Match(&f); err != nil || v != sdk.Yes {
			b.Fatal(s.name, v, err)
		}
	}
	s.took = append(s.took, float64(threadTime()-begin)/evaluations)
}

func quotients(a, b []float64) []float64 {
	var q []float64
	for i := range a {
		q = append(q, a[i]/b[i])
	}
	return q
}

func median(list []float64) float64 {
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)/2]
}

// nativeNames is the builtin matcher with these names.
func nativeNames(t testing.TB, names []string) sdk.Matcher {
	t.Helper()
	m, err := tls.New(&sdk.Node{Name: "tls", Block: []sdk.Node{words("sni " + strings.Join(names, " "))}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// two are matchers of one module with the same names in two orders.
func (k *bench) two(path string, names []string) []sdk.Matcher {
	k.t.Helper()
	l, err := k.load(declare(path))
	if err != nil {
		k.t.Fatal(err)
	}
	var ms []sdk.Matcher
	for range 2 {
		m, err := l.make("x " + strings.Join(names, " "))
		if err != nil {
			k.t.Fatal(err)
		}
		ms = append(ms, m)
		names = slices.Clone(names)
		slices.Reverse(names)
	}
	return ms
}

// unreset is a matcher of a module that marks no stores, and whose instances nobody
// puts back: only here, to see what that costs.
func (k *bench) unreset(path string, names []string) sdk.Matcher {
	k.t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		k.t.Fatal(err)
	}
	with := k.must(path, "x")
	m := &Module{sum: sha256.Sum256(src), size: len(src), pages: with.module.pages, window: abi.WindowSize(minHead, minHead), host: k.host}
	m.runtime = with.module.runtime
	if m.found, err = rewrite.Module(src, rewrite.Options{Imports: allowed(), Without: rewrite.Marking}); err != nil {
		k.t.Fatal(err)
	}
	if m.compiled, err = m.runtime.CompileModule(context.Background(), m.found.Wasm); err != nil {
		k.t.Fatal(err)
	}
	if err := m.readExports(); err != nil {
		k.t.Fatal(err)
	}
	start := func() (*instance, error) {
		in, err := m.start()
		if err != nil {
			return nil, err
		}
		in.low, in.globals = unmarked{}, nil
		in.keep()
		return in, nil
	}
	first, err := start()
	if err != nil {
		k.t.Fatal(err)
	}
	who := *with
	who.module = m
	n := words("x " + strings.Join(names, " "))
	block, _, err := tokens(&n)
	if err != nil {
		k.t.Fatal(err)
	}
	m.base, m.plain = slices.Clone(first.image), &configured{random: first.random}
	if err := first.configure(&who, block); err != nil {
		k.t.Fatal(err)
	}
	who.config = &configured{random: first.random}
	first.config = who.config
	m.pool = newPool(start, func() {})
	m.pool.adopt(first)
	k.t.Cleanup(func() {
		m.pool.close()
		_ = m.compiled.Close(context.Background())
	})
	return told{&who}
}

// told does what [Matcher.Match] does, but its facts count whatever it says: sni_store
// says unknown where it sees that it was not put back.
type told struct{ *Matcher }

func (m told) Match(f *sdk.Flow) (sdk.Verdict, error) {
	left := sdk.Parse(f, spend).of(m.Matcher, f)
	in, err := m.pool().get()
	if err != nil {
		return sdk.No, err
	}
	_, used, err := in.evaluate(m.Matcher, f, min(m.plugin.budget(len(f.Head)), *left))
	*left -= used
	f.Spend(used)
	m.plugin.counts.evaluated(in.lane, used)
	in.facts.tell(f)
	m.pool().put(in)
	return sdk.Yes, err
}

// unmarked is the mask of a module that has none.
type unmarked struct{ api.MutableGlobal }

func (unmarked) Get() uint64 { return 0 }
func (unmarked) Set(uint64)  {}
