package matchtest

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dwaar.dev/dwaar/sdk"
)

// checkAbilities checks that what m tells of itself is true.
func checkAbilities(m sdk.Matcher, f sdk.Flow, samples []sample) error {
	var errs []error
	if s, ok := m.(sdk.Starter); ok {
		errs = append(errs, checkStarter(s, f, samples))
	}
	if r, ok := m.(sdk.Ranged); ok {
		errs = append(errs, checkRanged(r, f))
	}
	if k, ok := m.(sdk.Keyed); ok {
		for _, s := range samples {
			errs = append(errs, checkKeyed(k, f, s, s.points()))
		}
	}
	if r, ok := m.(sdk.Patterned); ok {
		for _, s := range samples {
			errs = append(errs, checkPatterned(r, f, s, s.points()))
		}
	}
	return errors.Join(errs...)
}

// checkStarter asks about every byte that can come first, and about the samples.
func checkStarter(m sdk.Starter, f sdk.Flow, samples []sample) error {
	first := m.First()
	if first == nil {
		return nil
	}
	for b := range 256 {
		one := sample{head: []byte{byte(b)}}
		if isDatagram(&f) {
			one.ends = []int{1}
		}
		if err := checkStart(m, f, first, one); err != nil {
			return err
		}
	}
	for _, s := range samples {
		if err := checkStart(m, f, first, s); err != nil {
			return err
		}
	}
	return nil
}

func checkStart(m sdk.Starter, f sdk.Flow, first *[4]uint64, s sample) error {
	if len(s.head) == 0 || first[s.head[0]>>6]&(1<<(s.head[0]&63)) != 0 {
		return nil
	}
	c := &checker{m: m, sample: s, old: &f}
	clean := fresh(c.old)
	r, err := c.ask(&clean, s.last())
	if err == nil && (r.Answer.Err != nil || r.Answer.Verdict != sdk.No) {
		err = c.broken(s.last(), "First says that nothing begins with %#02x, Match says %v", s.head[0], r)
	}
	return err
}

// checkRanged asks about the borders of every prefix, from both sides.
func checkRanged(m sdk.Ranged, f sdk.Flow) error {
	of, prefixes := m.Prefixes()
	addrs := []netip.Addr{{}, f.Remote.Addr(), f.Local.Addr()}
	for _, p := range prefixes {
		if p != p.Masked() || p.Addr().Is4In6() || !p.IsValid() {
			return fmt.Errorf("checking the laws of %T: prefix %v is not masked and unmapped", m, p)
		}
		end := lastAddr(p)
		addrs = append(addrs, p.Addr(), p.Addr().Prev(), end, end.Next())
	}
	for _, a := range addrs {
		if of == sdk.Remote {
			f.Remote = netip.AddrPortFrom(a, 4711)
		} else {
			f.Local = netip.AddrPortFrom(a, 4711)
		}
		want := sdk.No
		switch {
		case !a.IsValid():
			want = sdk.Unknown
		case slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) }):
			want = sdk.Yes
		}
		if r := Ask(m, &f); r.Answer != (sdk.Answer{Verdict: want}) {
			return fmt.Errorf("checking the laws of %T: its prefixes say %v to %v, Match says %v", m, want, a, r)
		}
	}
	return nil
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// checkKeyed compares Match with the key at every point.
func checkKeyed(m sdk.Keyed, f sdk.Flow, s sample, points []int) error {
	sel, names := m.Keys()
	if sel == nil {
		return nil // it says that it has no key after all
	}
	return checkKey(m, sel, func(key string) bool { return named(key, names) }, fmt.Sprintf("the names %q", names), f, s, points)
}

// checkPatterned compares Match with the pattern on the key at every point.
func checkPatterned(m sdk.Patterned, f sdk.Flow, s sample, points []int) error {
	sel, pattern := m.Pattern()
	if sel == nil {
		return nil // it says that it has no key after all
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return fmt.Errorf("checking the laws of %T: its pattern: %w", m, err)
	}
	return checkKey(m, sel, re.MatchString, fmt.Sprintf("the pattern %q", pattern), f, s, points)
}

// checkKey compares Match with what follows from the key.
func checkKey(m sdk.Matcher, sel sdk.Selector, takes func(key string) bool, by string, f sdk.Flow, s sample, points []int) error {
	if !canCompare(sel) {
		return fmt.Errorf("checking the laws of %T: its selector %T cannot be compared", m, sel)
	}
	c := &checker{m: m, sample: s, old: &f}
	for _, p := range points {
		clean := fresh(c.old)
		r, err := c.ask(&clean, p)
		if err != nil {
			return err
		}
		clean = fresh(c.old)
		clean.Head, clean.Bounds = s.at(p)
		key, v := sel.Key(&clean)
		want := v
		if v > 0 && !takes(string(key)) {
			want = sdk.No
		}
		if r.Answer != (sdk.Answer{Verdict: want}) {
			return c.broken(p, "the key is %q, %v: with %s the answer is %v, Match says %v", key, v, by, want, r)
		}
	}
	return nil
}

func canCompare(sel sdk.Selector) (ok bool) {
	defer func() { ok = recover() == nil }()
	other := sel
	return sel == other
}

func named(key string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		suffix, wild := strings.CutPrefix(name, "*")
		if !wild || !strings.HasPrefix(suffix, ".") {
			return name == key
		}
		label, ok := strings.CutSuffix(key, suffix)
		return ok && label != "" && !strings.Contains(label, ".")
	})
}

// The bounds of a fact: those that hold at the border to WebAssembly, so that a
// native matcher can become a plugin.
const (
	maxFacts     = 16
	maxFactBytes = 1024
	maxKeyBytes  = 32
)

func (c *checker) checkFacts(r Result, point int) error {
	if len(r.Facts) > maxFacts {
		return c.broken(point, "Match set %d facts, more than %d", len(r.Facts), maxFacts)
	}
	for key, value := range r.Facts {
		if !isFactKey(key) && !c.continues(key) {
			return c.broken(point, "%q cannot name a fact: a to z, 0 to 9, _ and dots, a letter first, at most %d bytes", key, maxKeyBytes)
		}
		if len(value) > maxFactBytes {
			return c.broken(point, "the fact %s has %d bytes, more than %d", key, len(value), maxFactBytes)
		}
	}
	return nil
}

// continues reports whether a key begins with a digit and is the end of a longer name that
// the matcher says it sets: 1 of regexp.1.
func (c *checker) continues(key string) bool {
	s, ok := c.m.(sdk.FactSetter)
	ends := func(full string) bool { return strings.HasSuffix(full, "."+key) }
	return ok && isFactKey("n"+key) && slices.ContainsFunc(s.Sets(), ends)
}

func isFactKey(key string) bool {
	if key == "" || len(key) > maxKeyBytes || key == "code" || key[0] < 'a' || key[0] > 'z' {
		return false
	}
	return strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_.") == ""
}

// checkClock asks once now, and again in a bubble whose clock shows other times.
func checkClock(t *testing.T, m sdk.Matcher, f sdk.Flow, samples []sample) error {
	f.Head, f.Bounds = nil, nil
	var clocks []*checker
	for _, s := range samples {
		c := &checker{m: m, sample: s, points: []int{s.last()}, old: &f}
		if err := c.alone(); err != nil {
			return err
		}
		clocks = append(clocks, c)
	}
	var errs []error
	synctest.Test(t, func(*testing.T) {
		for _, wait := range []time.Duration{0, time.Until(f.Accepted), 31 * time.Hour, 100 * 365 * 24 * time.Hour} {
			time.Sleep(wait)
			for _, c := range clocks {
				clean := fresh(c.old)
				errs = append(errs, c.same(&clean, 0, fmt.Sprintf("on %s", time.Now().Format(time.DateTime))))
			}
		}
	})
	return errors.Join(errs...)
}
