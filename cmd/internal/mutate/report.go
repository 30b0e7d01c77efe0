package main

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// report prints who survived, as a difference, and the rate. It returns an error where
// that lies below the floor.
func report(w io.Writer, patterns []string, all int, chosen []*mutant, o options) error {
	of := map[outcome]int{}
	excepted := 0
	for _, m := range chosen {
		switch {
		case m.equivalent != "" && m.outcome != uncompiled:
			excepted++
			continue
		default:
			of[m.outcome]++
		}
		if m.outcome == survived || m.outcome == unreached {
			fmt.Fprintf(w, "\n%s: %d %s:%d %s %s\n%s", m.outcome, m.id, m.file, m.line, m.function, m.kind, m.difference())
		}
	}
	found := of[killed] + of[hung]
	n := found + of[survived] + of[unreached]
	low, high := wilson(found, n)
	rate := 100 * float64(found) / float64(max(n, 1))
	fmt.Fprintf(w, "\n%s: %d mutants, %d tried with seed %d: %d killed (%d by a test that hung), %d survived (%d never reached); %d equivalent, %d no Go\n",
		strings.Join(patterns, " "), all, n, o.seed, found, of[hung], n-found, of[unreached], excepted, of[uncompiled])
	fmt.Fprintf(w, "kill rate %.0f %% (with 95 %% confidence from %.0f to %.0f)\n", rate, low, high)
	if rate < o.floor {
		return fmt.Errorf("the kill rate is below %.0f %%: write tests for the survivors above, or the reason why nobody could see them into cmd/internal/mutate/equivalents", o.floor)
	}
	return nil
}

// difference is the mutant as lines that go and come.
func (m *mutant) difference() string {
	was, now := oneLine(m.old), oneLine(m.new)
	if now == "" {
		return "\t- " + was + "\n"
	}
	return "\t- " + was + "\n\t+ " + now + "\n"
}

// wilson is the interval, in percent, in which the rate of all lies with 95 % confidence
// when k of n were counted (the score interval of Wilson).
func wilson(k, n int) (low, high float64) {
	if n == 0 {
		return 0, 100
	}
	const z = 1.96
	p, m := float64(k)/float64(n), float64(n)
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return 100 * max(0, middle-half), 100 * min(1, middle+half)
}
