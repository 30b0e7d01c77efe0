package matchtest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"dwaar.dev/dwaar/sdk"
)

// check returns the first law that m breaks on the samples.
func check(m sdk.Matcher, f sdk.Flow, samples []sample) error {
	f.Head, f.Bounds = nil, nil
	if err := checkAbilities(m, f, samples); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(4, 2)) // the same cuts in every run
	old := f                              // one flow for all samples: connections follow each other in the same memory
	for _, s := range samples {
		if err := checkSample(m, &old, s, s.points(), random); err != nil {
			return err
		}
		for range 8 {
			c := s.changed(random)
			if err := checkSample(m, &old, c, c.few(48, random), random); err != nil {
				return err
			}
		}
	}
	return checkBeyond(m, &old, samples, random)
}

// checkBeyond gives m more than it will ever see.
func checkBeyond(m sdk.Matcher, old *sdk.Flow, samples []sample, random *rand.Rand) error {
	if len(samples) == 0 {
		return errors.New("checking the laws: no heads to check them on")
	}
	longest := slices.MaxFunc(samples, func(a, b sample) int { return cmp.Compare(len(a.head), len(b.head)) })
	long, points := longest.beyond(cmp.Or(old.MaxHead, 16<<10))
	return checkSample(m, old, long, points, random)
}

func checkSample(m sdk.Matcher, old *sdk.Flow, s sample, points []int, random *rand.Rand) error {
	c := &checker{m: m, sample: s, points: points, old: old}
	for _, law := range []func() error{c.alone, c.honest, c.final, c.stepwise, c.halves, c.concurrently} {
		if err := law(); err != nil {
			return err
		}
	}
	for range 32 {
		if err := c.pieces(random); err != nil {
			return err
		}
	}
	return nil
}

// checker checks one matcher on one sample.
type checker struct {
	m      sdk.Matcher
	sample sample
	points []int
	want   []Result  // at each point, of a matcher that saw nothing before
	old    *sdk.Flow // used for other connections before
}

// alone asks at every point about a connection that nobody looked at before, and
// once more: the same question has the same answer.
func (c *checker) alone() error {
	c.want = make([]Result, len(c.points))
	for i, p := range c.points {
		f := fresh(c.old)
		r, err := c.ask(&f, p)
		if err != nil {
			return err
		}
		c.want[i] = r
		if err := c.checkFacts(r, p); err != nil {
			return err
		}
		f = fresh(c.old)
		if err := c.same(&f, i, "asked again about a new flow"); err != nil {
			return err
		}
	}
	return nil
}

// honest checks the numbers that Need asks for.
func (c *checker) honest() error {
	for i, p := range c.points {
		a := c.want[i].Answer
		if a.Decided() {
			continue
		}
		need := a.Verdict.NeedBytes()
		if need <= c.sample.size(p) {
			return c.broken(p, "%v is no more than there is", a)
		}
		if c.sample.ends != nil {
			continue // any number asks for another datagram
		}
		for j := i + 1; j < len(c.points) && c.points[j] < need; j++ {
			if c.want[j].Answer.Decided() {
				return c.broken(p, "%v, but %d bytes give %v", a, c.points[j], c.want[j])
			}
		}
	}
	return nil
}

// final checks that a decided verdict is that of every longer head.
func (c *checker) final() error {
	for i := 1; i < len(c.want); i++ {
		if before := c.want[i-1]; before.Answer.Decided() && !c.want[i].equal(before) {
			return c.broken(c.points[i-1], "decided %v, but the longer head of %d bytes gives %v",
				before, c.sample.size(c.points[i]), c.want[i])
		}
	}
	return nil
}

// stepwise lets one flow grow by the smallest steps and asks twice at each.
func (c *checker) stepwise() error {
	c.old.Rehead(nil)
	for i := range c.points {
		for range 2 {
			if err := c.same(c.old, i, "grown by single steps"); err != nil {
				return err
			}
		}
	}
	return nil
}

// halves lets a flow arrive in two pieces, cut at every point.
func (c *checker) halves() error {
	last := len(c.points) - 1
	for i := range last {
		c.old.Rehead(nil)
		if err := c.same(c.old, i, "the first of two pieces"); err != nil {
			return err
		}
		if err := c.same(c.old, last, fmt.Sprintf("the second of two pieces, cut at %d", c.points[i])); err != nil {
			return err
		}
	}
	return nil
}

// pieces lets a flow arrive in random pieces.
func (c *checker) pieces(random *rand.Rand) error {
	c.old.Rehead(nil)
	most := 1 + random.IntN(max(1, len(c.points)/2))
	var steps []int
	for i := random.IntN(most); i < len(c.points); i += 1 + random.IntN(most) {
		steps = append(steps, c.points[i])
		if err := c.same(c.old, i, fmt.Sprintf("grown by the steps %v", steps)); err != nil {
			return err
		}
	}
	return nil
}

// concurrently asks from several goroutines, each about its own connection.
func (c *checker) concurrently() error {
	last := len(c.points) - 1
	errs := make([]error, 4)
	flows := make([]sdk.Flow, len(errs))
	for g := range flows {
		flows[g] = fresh(c.old)
	}
	var wg sync.WaitGroup
	for g := range errs {
		wg.Go(func() {
			for _, i := range []int{0, last * g / len(errs), last} {
				errs[g] = cmp.Or(errs[g], c.same(&flows[g], i, "asked from several goroutines"))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// same asks at the i-th point and compares with what a new flow gave there.
func (c *checker) same(f *sdk.Flow, i int, how string) error {
	got, err := c.ask(f, c.points[i])
	if err != nil {
		return err
	}
	if !got.equal(c.want[i]) {
		return c.broken(c.points[i], "a new flow gives %v, %s it gives %v", c.want[i], how, got)
	}
	return nil
}

// ask gives f a copy of the bytes, asks, and spoils the copy: a matcher that kept
// it reads nonsense from then on.
func (c *checker) ask(f *sdk.Flow, point int) (r Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = c.broken(point, "Match panics: %v", p)
		}
	}()
	head, bounds := c.sample.at(point)
	f.Head, f.Bounds = head, bounds
	r = Ask(c.m, f)
	if len(f.Head) != len(head) || !bytes.Equal(head, c.sample.head[:len(head)]) {
		return r, c.broken(point, "Match changed the head")
	}
	if c.sample.ends != nil && (len(f.Bounds) != point || !slices.Equal(bounds, c.sample.ends[:point])) {
		return r, c.broken(point, "Match changed the bounds")
	}
	spoil(head)
	for i := range bounds {
		bounds[i] = -1
	}
	return r, nil
}

// spoil fills b with what no sample holds much of.
func spoil(b []byte) {
	if len(b) > 0 {
		b[0] = 0xa5
	}
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

func (c *checker) broken(point int, format string, args ...any) error {
	head := c.sample.head[:c.sample.size(point)]
	return fmt.Errorf("checking the laws of %T with the first %d of %d bytes %s: %w",
		c.m, len(head), len(c.sample.head), quote(head), fmt.Errorf(format, args...))
}

// quote prints the end of a head.
func quote(head []byte) string {
	const most = 24
	if len(head) <= most {
		return fmt.Sprintf("%q", head)
	}
	return fmt.Sprintf("…%q", head[len(head)-most:])
}
