package route

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// grammed reports whether a key has what a pattern demands.
func grammed(n need, key string) bool {
	if n.branches == nil {
		return true
	}
	for _, texts := range n.branches {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(strings.Map(lowered, key), strings.Map(lowered, text))
		}
		if all {
			return true
		}
	}
	return false
}

func lowered(r rune) rune {
	if r < 0x80 {
		return rune(lower(byte(r)))
	}
	return r
}

func TestWhatAPatternDemandsIsKnown(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		`^n1-(.+)\.example\.org$`:           "[[n1- .example.org]]",
		`^app(-[0-9]+)?\.corp\.test$`:       "[[app .corp.test]]",
		`(alpha|bravo)\.x`:                  "[[alpha] [bravo]]",
		`(alpha|x)\.y`:                      "[]",
		`(?:dcba)+`:                         "[[dcba]]",
		`(abcd)?ef`:                         "[]",
		`^/[nN]12/.*`:                       "[[/N12/]]",
		`(?i)mail`:                          "[[MAIL]]",
		`(?i)kiwi`:                          "[[IWI]]",
		`(?i)desk`:                          "[]",
		`bücher\.example`:                   "[[cher.example]]",
		`[`:                                 "[]",
		`(?:abcd|efgh)(?:ijkl|mnop|qrst)`:   "[[abcd] [efgh]]", // of two, the one with fewer
		`(?:ijkl|mnop|qrst)x?(?:abcd|efgh)`: "[[abcd] [efgh]]",
		`abc`:                               "[[abc]]",
		`ab`:                                "[]",
		`(?:abcd){0,3}`:                     "[]",
		`(?:abcd){1,3}`:                     "[[abcd]]",
		strings.Repeat("x", 40) + "[a]":     "[[" + strings.Repeat("x", maxLiteral) + "]]",
	} {
		if got := fmt.Sprint(needOf(pattern).branches); got != want {
			t.Errorf("%s demands %s, want %s", pattern, got, want)
		}
	}
}

// alternatives is a pattern of so many texts that have no beginning in common.
func alternatives(n int) string {
	var all []string
	for i := range n {
		all = append(all, strings.Repeat(string(rune('a'+i)), 4))
	}
	return strings.Join(all, "|")
}

func TestAPatternOfManyAlternativesDemandsNothing(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{2: 2, maxBranches: maxBranches, maxBranches + 1: 0, 25: 0} {
		if got := len(needOf(alternatives(n)).branches); got != want {
			t.Errorf("of %d: %d, want %d", n, got, want)
		}
	}
}

// What matches in Go has what the pattern is said to demand.
func FuzzPatternsDemandNothingThatAMatchCanLack(f *testing.F) {
	f.Add(`(?i)(abcd|kelvin)+[xX]yz?`, "ABCDxyz")
	f.Add(`^/[nN]12/(?s:.*)$`, "/N12/\n")
	f.Add(`(?i)maſk`, "MASK")
	f.Add(`�abcd`, "\xffabcd")
	f.Add(`(abcd){2,}|(?:x{0}abcd)`, "abcdabcd")
	f.Add(`\Qabcd\E.(?-i:EF)`, "abcd-EF")
	f.Fuzz(func(t *testing.T, pattern, key string) {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return
		}
		if re.MatchString(key) && !grammed(needOf(pattern), key) {
			t.Errorf("%q matches %q and is said to demand %q", key, pattern, needOf(pattern).branches)
		}
	})
}
