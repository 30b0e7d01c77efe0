package matchtest

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/sdk"
)

// A Mutant is a fault that somebody has made, or will make, in a matcher.
type Mutant struct {
	Fault string // what is wrong, as a sentence about the matcher

	// Plant returns m with the fault in it. m must obey the laws.
	Plant func(m sdk.Matcher) sdk.Matcher
}

// Mutants returns faults to plant in a matcher that obeys the laws, so that a
// test of the tests can show that each is found. Some can only be seen where the
// matcher gives them room: a number that Need asks for can be one too large only
// in a matcher that asks for more than the next byte.
func Mutants() []Mutant {
	return slices.Concat(needMutants(), decisionMutants(), factMutants(), memoryMutants(), headMutants(), abilityMutants())
}

// needMutants are wrong where more bytes are needed.
func needMutants() []Mutant {
	return []Mutant{
		{"it swaps Need and No", answering(func(_ sdk.Matcher, f *sdk.Flow, v sdk.Verdict) sdk.Verdict {
			switch {
			case v == sdk.No:
				return sdk.Need(len(f.Head) + 1)
			case v.Decided():
				return v
			}
			return sdk.No
		})},
		{"it says No to a head without bytes", answering(func(_ sdk.Matcher, f *sdk.Flow, v sdk.Verdict) sdk.Verdict {
			if len(f.Head) == 0 {
				return sdk.No
			}
			return v
		})},
		{"it says Unknown when the bytes run out", answering(func(_ sdk.Matcher, f *sdk.Flow, v sdk.Verdict) sdk.Verdict {
			if len(f.Head) > 0 && !v.Decided() {
				return sdk.Unknown
			}
			return v
		})},
		{"it asks for one byte too many", needing(func(_, n int) int { return n + 1 })},
		{"it asks for as many bytes as there are", needing(func(have, _ int) int { return max(have, 1) })},
		{"it asks for the greatest number there is", needing(func(_, _ int) int { return math.MaxInt32 })},
		{"it returns an error where it needs more bytes", func(m sdk.Matcher) sdk.Matcher {
			return matcher(func(f *sdk.Flow) (sdk.Verdict, error) {
				v, err := m.Match(f)
				if len(f.Head) > 0 && !v.Decided() {
					return v, errors.New("unexpected end")
				}
				return v, err
			})
		}},
	}
}

// decisionMutants are wrong about single decisions.
func decisionMutants() []Mutant {
	return []Mutant{
		{"it swaps Yes and No at the end of a hello that it waited for", answering(func(m sdk.Matcher, f *sdk.Flow, v sdk.Verdict) sdk.Verdict {
			if v > 0 && !shorter(m, f).Decided() {
				return sdk.No
			}
			return v
		})},
		{"it says Unknown instead of No at the end", answering(func(m sdk.Matcher, f *sdk.Flow, v sdk.Verdict) sdk.Verdict {
			if v == sdk.No && shorter(m, f) == sdk.No {
				return sdk.Unknown
			}
			return v
		})},
		{"it says Yes one byte early", answering(func(_ sdk.Matcher, f *sdk.Flow, v sdk.Verdict) sdk.Verdict {
			if len(f.Head) > 0 && v.NeedBytes() == len(f.Head)+1 {
				return sdk.Yes
			}
			return v
		})},
		{"it takes bytes behind the hello for a fault", answering(func(m sdk.Matcher, f *sdk.Flow, v sdk.Verdict) sdk.Verdict {
			if v > 0 && shorter(m, f) > 0 {
				return sdk.No
			}
			return v
		})},
	}
}

// factMutants set facts that they should not.
func factMutants() []Mutant {
	return []Mutant{
		{"it sets a fact that depends on what follows the hello", func(m sdk.Matcher) sdk.Matcher {
			return matcher(func(f *sdk.Flow) (sdk.Verdict, error) {
				f.Set("seen", strconv.AppendInt(nil, int64(len(f.Head)), 10))
				return m.Match(f)
			})
		}},
		{"it sets a fact without bounds", setting("all", func(f *sdk.Flow) []byte { return bytes.Repeat(f.Head, 1025) })},
		{"it sets a fact whose name no configuration can write", setting("Server-Name", func(*sdk.Flow) []byte { return nil })},
	}
}

// memoryMutants know what they should not.
func memoryMutants() []Mutant {
	return []Mutant{
		{"it judges new bytes without those before", func(m sdk.Matcher) sdk.Matcher {
			type seen struct{ bytes int }
			return onHead(m, func(f *sdk.Flow) []byte {
				var from int
				sdk.Parse(f, func(f *sdk.Flow, s *seen) { from, s.bytes = s.bytes, len(f.Head) })
				return f.Head[from:]
			})
		}},
		{"it keeps a slice of the head", func(m sdk.Matcher) sdk.Matcher {
			type kept struct{ head []byte }
			return onHead(m, func(f *sdk.Flow) []byte {
				k := sdk.Parse(f, func(f *sdk.Flow, k *kept) {
					if len(k.head) == 0 {
						k.head = f.Head
					}
				})
				return append(bytes.Clone(k.head), f.Head[len(k.head):]...)
			})
		}},
		{"it keeps bytes of the connection before", func(m sdk.Matcher) sdk.Matcher {
			return onHead(m, func(f *sdk.Flow) []byte {
				k := sdk.Parse(f, func(f *sdk.Flow, k *leftover) { k.head = append(k.head, f.Head[min(len(k.head), len(f.Head)):]...) })
				return k.head
			})
		}},
		{"it counts the pieces that the bytes came in", func(m sdk.Matcher) sdk.Matcher {
			type pieces struct{ n int }
			return matcher(func(f *sdk.Flow) (sdk.Verdict, error) {
				p := sdk.Parse(f, func(_ *sdk.Flow, p *pieces) { p.n++ })
				f.Set("pieces", strconv.AppendInt(nil, int64(p.n), 10))
				return m.Match(f)
			})
		}},
		{"it remembers what it said", func(m sdk.Matcher) sdk.Matcher {
			var said atomic.Int32
			return matcher(func(f *sdk.Flow) (sdk.Verdict, error) {
				v, err := m.Match(f)
				if sdk.Verdict(said.Swap(int32(v))) == sdk.Yes {
					return sdk.No, err // a replay
				}
				return v, err
			})
		}},
		{"it reads the clock", func(m sdk.Matcher) sdk.Matcher {
			return matcher(func(f *sdk.Flow) (sdk.Verdict, error) {
				if v, err := m.Match(f); v <= 0 || time.Since(f.Accepted).Abs() < 15*time.Second {
					return v, err
				}
				return sdk.No, nil
			})
		}},
	}
}

// headMutants do to the head what they should not.
func headMutants() []Mutant {
	return []Mutant{
		{"it changes the head to lower case", func(m sdk.Matcher) sdk.Matcher {
			return matcher(func(f *sdk.Flow) (sdk.Verdict, error) {
				for i, b := range f.Head {
					if b >= 'A' && b <= 'Z' {
						f.Head[i] += 'a' - 'A'
					}
				}
				return m.Match(f)
			})
		}},
		{"it consumes the head", func(m sdk.Matcher) sdk.Matcher {
			return matcher(func(f *sdk.Flow) (sdk.Verdict, error) {
				v, err := m.Match(f)
				if v > 0 {
					f.Head = f.Head[1:]
				}
				return v, err
			})
		}},
		{"it looks behind the head", func(m sdk.Matcher) sdk.Matcher {
			return onHead(m, func(f *sdk.Flow) []byte { return f.Head[: len(f.Head)+1 : cap(f.Head)][:len(f.Head)] })
		}},
		{"it indexes a head without bytes", func(m sdk.Matcher) sdk.Matcher {
			return matcher(func(f *sdk.Flow) (sdk.Verdict, error) {
				if f.Head[0] == 0xff {
					return sdk.No, nil
				}
				return m.Match(f)
			})
		}},
		{"it has a table as long as the greatest head", func(m sdk.Matcher) sdk.Matcher {
			return matcher(func(f *sdk.Flow) (sdk.Verdict, error) {
				table := make([]bool, f.MaxHead+1)
				table[len(f.Head)] = true
				return m.Match(f)
			})
		}},
	}
}

// abilityMutants tell something of themselves that is not true.
func abilityMutants() []Mutant {
	return []Mutant{
		{"it says that nothing can come first", func(m sdk.Matcher) sdk.Matcher {
			return struct {
				sdk.Matcher
				first
			}{m, first{}}
		}},
		{"it gives another list of names", rekeyed(func(s sdk.Selector, _ []string) (sdk.Selector, []string) {
			return s, []string{"of.another.invalid"}
		})},
		{"it takes *. for any number of labels", func(m sdk.Matcher) sdk.Matcher {
			sel, _ := m.(sdk.Keyed).Keys()
			wide := matcher(func(f *sdk.Flow) (sdk.Verdict, error) {
				key, v := sel.Key(f)
				if v > 0 && !strings.Contains(string(key), ".") {
					v = sdk.No
				}
				return v, nil
			})
			return keyed{wide, sel, []string{"*.org", "*.com"}}
		}},
		{"it gives another pattern", func(m sdk.Matcher) sdk.Matcher {
			sel, _ := m.(sdk.Keyed).Keys()
			return patterned{m, sel, `^of\.another\.invalid$`}
		}},
		{"its key is not lower case", rekeyed(func(s sdk.Selector, names []string) (sdk.Selector, []string) {
			return loud{s}, names
		})},
		{"its selector cannot be compared", rekeyed(func(s sdk.Selector, names []string) (sdk.Selector, []string) {
			return several{s}, names
		})},
		{"it takes a Unix socket for an address outside its ranges", rangedBy(func(v sdk.Verdict) sdk.Verdict {
			if v == sdk.Unknown {
				return sdk.No
			}
			return v
		})},
		{"it says No to its ranges and Yes to all others", rangedBy(func(v sdk.Verdict) sdk.Verdict {
			return sdk.Answer{Verdict: v}.Not().Verdict
		})},
	}
}
