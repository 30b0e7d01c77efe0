package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// tryAll runs the tests against every mutant that counts.
func tryAll(ctx context.Context, b *binaries, tests []*test, chosen []*mutant, o options) {
	slices.SortStableFunc(tests, func(x, y *test) int {
		return cmp.Or(cmp.Compare(x.binary, y.binary), cmp.Compare(x.took, y.took))
	})
	parallel(o.workers, len(chosen), func(i int) {
		m := chosen[i]
		if !m.counts() {
			return
		}
		m.outcome, m.killer = b.try(ctx, tests, m.id, o)
		if ctx.Err() != nil {
			m.outcome = notTried
		}
		if o.verbose {
			fmt.Printf("%-9s %d %s (%s)\n", m.outcome, m.id, m, m.killer)
		}
	})
}

// quick is how long a test takes alone that is tried before the slow ones.
const quick = 500 * time.Millisecond

// try runs the tests that reach a mutant until one fails: first the quick ones of every
// binary, then the others.
func (b *binaries) try(ctx context.Context, tests []*test, id int, o options) (outcome, string) {
	out := unreached
	for _, slow := range []bool{false, true} {
		for bin := range b.tests {
			names, took := reaching(tests, bin, id, slow)
			if len(names) == 0 {
				continue
			}
			out = survived
			text, err := b.run(ctx, bin, strconv.Itoa(id), "", names, 10*time.Second+5*took, o)
			switch {
			case errors.Is(err, errSlow):
				return hung, b.tests[bin].pkg
			case err != nil:
				return killed, failure(text)
			}
		}
	}
	return out, ""
}

// reaching returns the tests of a binary that come past a mutant, the slow ones or the
// others, and how long they take alone.
func reaching(tests []*test, bin, id int, slow bool) (names []string, took time.Duration) {
	for _, t := range tests {
		if t.binary == bin && t.left == "" && t.reaches[id] && (t.took > quick) == slow {
			names = append(names, t.name)
			took += t.took
		}
	}
	return names, took
}

// String is the outcome as reports name it.
func (o outcome) String() string {
	return [...]string{"survived", "unreached", "killed", "hung", "uncompiled", "not tried"}[o]
}
