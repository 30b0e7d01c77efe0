package route

import (
	"regexp/syntax"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// gram is three bytes that stand somewhere in a key, letters of ASCII in lower case.
type gram uint32

const (
	gramLen     = 3
	maxBranches = 16 // of one pattern
	maxLiteral  = 32 // bytes of a literal that are looked at: they bound the memory of a finder
)

// patternFinder finds routes by a pattern for one key. Of each pattern it knows bytes
// without which no key matches it, and so looks at the key once, however many patterns
// there are. A route whose bytes are there runs its pattern; so does one whose pattern
// demands no bytes.
type patternFinder struct {
	by     sdk.Selector
	sieve  sieve // the keys of grams: most bytes of a key are those of no pattern
	grams  map[gram][]int32
	always []int32 // routes whose patterns demand no bytes
}

// sieve is a set of grams that may also have others, asked because it costs a tenth of a
// look into a map. With a thousand grams in it, it has one in eight of the others too.
type sieve [1 << (sieveBits - 6)]uint64

const sieveBits = 13

// at returns where the bit of a gram is.
func (s *sieve) at(g gram) (word *uint64, bit uint64) {
	h := uint32(g) * 0x9e3779b1 >> (32 - sieveBits) // Fibonacci hashing: 2³² by the golden ratio
	return &s[h>>6], 1 << (h & 63)
}

func (s *sieve) add(g gram) {
	word, bit := s.at(g)
	*word |= bit
}

func (s *sieve) has(g gram) bool {
	word, bit := s.at(g)
	return *word&bit != 0
}

// patterns makes the finder of a group. It takes memory for a few entries a route.
func (l *List) patterns(k groupKey, routes []int32) *patternFinder {
	x := &patternFinder{by: k.by.(sdk.Selector), grams: map[gram][]int32{}}
	needs := map[int32]need{}
	count := map[gram]int{}
	l.members(k, routes, func(route int32, in *Instance) {
		_, pattern := in.Matcher.(sdk.Patterned).Pattern()
		n := needOf(pattern)
		needs[route] = n
		n.count(count)
	})
	for _, route := range routes {
		grams := needs[route].rarest(count)
		if grams == nil {
			x.always = append(x.always, route)
		}
		for _, g := range grams {
			x.sieve.add(g)
			x.grams[g] = append(x.grams[g], route)
		}
	}
	return x
}

func (x *patternFinder) find(f *sdk.Flow, found []int32) ([]int32, sdk.Verdict) {
	key, v := x.by.Key(f)
	if v != sdk.Yes {
		return found, v
	}
	mark := len(found)
	found = append(found, x.always...)
	g := gram(0)
	for i, b := range key {
		if g = (g<<8 | gram(lower(b))) & (1<<(8*gramLen) - 1); i >= gramLen-1 && x.sieve.has(g) {
			found = append(found, x.grams[g]...)
		}
	}
	return inOrder(found, mark), sdk.Yes
}

// need is what a key must contain to match a pattern: for each of the alternatives, one
// of several texts at most stands for it. An empty need demands nothing.
type need struct{ branches [][]string }

// needOf returns what a pattern demands. A pattern that Go cannot read demands nothing.
func needOf(pattern string) need {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return need{}
	}
	return demanded(re)
}

// demanded returns what a key must contain to match an expression.
func demanded(re *syntax.Regexp) need {
	switch re.Op {
	case syntax.OpLiteral:
		return concat([]*syntax.Regexp{re})
	case syntax.OpCapture, syntax.OpPlus:
		return demanded(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return demanded(re.Sub[0])
		}
	case syntax.OpConcat:
		return concat(re.Sub)
	case syntax.OpAlternate:
		return alternate(re.Sub)
	}
	return need{}
}

// texts collects what the bytes of a key can be told by in literals that follow each
// other.
type texts struct {
	all []string
	now strings.Builder
}

// literal adds a literal. It ends a text where something else than ASCII matches.
func (t *texts) literal(re *syntax.Regexp) {
	fold := re.Flags&syntax.FoldCase != 0
	for _, r := range re.Rune {
		if low := r | 0x20; r >= 0x80 || fold && 'a' <= low && low <= 'z' && !foldsWithinASCII(low) {
			t.end()
			continue
		}
		t.now.WriteByte(byte(r))
	}
}

// end ends a text.
func (t *texts) end() {
	if t.now.Len() >= gramLen {
		t.all = append(t.all, t.now.String()[:min(t.now.Len(), maxLiteral)])
	}
	t.now.Reset()
}

// need returns what the texts demand together.
func (t *texts) need() need {
	if t.end(); t.all == nil {
		return need{}
	}
	return need{[][]string{t.all}}
}

// foldsWithinASCII reports whether nothing but an ASCII letter matches a letter in any
// case: the Kelvin sign matches k, and the long s matches s.
func foldsWithinASCII(lower rune) bool { return lower != 'k' && lower != 's' }

// concat joins what parts demand that follow each other: of those without alternatives
// all, else the part with the fewest.
func concat(parts []*syntax.Regexp) need {
	var t texts
	var other need
	for _, part := range parts {
		if part.Op == syntax.OpLiteral {
			t.literal(part)
			continue
		}
		t.end()
		n := demanded(part)
		switch {
		case len(n.branches) == 1:
			t.all = append(t.all, n.branches[0]...)
		case len(n.branches) > 1 && (other.branches == nil || len(n.branches) < len(other.branches)):
			other = n
		}
	}
	if n := t.need(); n.branches != nil {
		return n
	}
	return other
}

// alternate is what any of the parts demands, and nothing if one demands nothing.
func alternate(parts []*syntax.Regexp) need {
	var all need
	for _, part := range parts {
		n := demanded(part)
		if n.branches == nil || len(all.branches)+len(n.branches) > maxBranches {
			return need{}
		}
		all.branches = append(all.branches, n.branches...)
	}
	return all
}

// count counts the grams that a pattern could be found by.
func (n need) count(to map[gram]int) {
	for _, texts := range n.branches {
		for _, text := range texts {
			for i := 0; i+gramLen <= len(text); i++ {
				to[gramOf(text[i:])]++
			}
		}
	}
}

// rarest returns for each alternative the gram that the fewest patterns could be found
// by; nil: nothing is demanded.
func (n need) rarest(count map[gram]int) []gram {
	var grams []gram
	for _, texts := range n.branches {
		best, least := gram(0), 0
		for _, text := range texts {
			for i := 0; i+gramLen <= len(text); i++ {
				if g := gramOf(text[i:]); least == 0 || count[g] <= least {
					best, least = g, count[g]
				}
			}
		}
		grams = append(grams, best)
	}
	return grams
}

func gramOf(text string) gram {
	g := gram(0)
	for i := range gramLen {
		g = g<<8 | gram(lower(text[i]))
	}
	return g
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b | 0x20
	}
	return b
}
