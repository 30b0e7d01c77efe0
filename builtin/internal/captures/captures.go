// Package captures makes facts of what the groups of a regular expression match.
// Matchers that take [NAME] PATTERN use it:
//
//	p, err := captures.Compile("regexp.", name, pattern)
//	…
//	if p.Match(path) {
//		p.Set(f, path) // regexp.NAME.0, regexp.NAME.1, regexp.NAME.user
//	}
package captures

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// Pattern is a compiled regular expression whose groups have the names of facts.
type Pattern struct {
	re   *regexp.Regexp
	keys [][]string // the keys of each group's fact
}

const (
	maxFact   = 1 << 10
	maxFacts  = 16
	maxKey    = 32 // the length of the longest key of a fact
	maxGroups = 10 // a connection's facts are few: groups of one pattern, the whole match included
)

// Compile compiles pattern. The keys of its facts are prefix, the name and a dot
// if name has a text, and the number of the group or its own name. Errors are
// *sdk.Error at the word that is wrong.
func Compile(prefix string, name, pattern sdk.Word) (*Pattern, error) {
	re, err := regexp.Compile(pattern.Text)
	if err != nil {
		return nil, sdk.Errorf(pattern.Pos, "%v", err) // its shape was checked
	}
	if n := re.NumSubexp() + 1; n > maxGroups {
		return nil, sdk.Errorf(pattern.Pos, "%q captures %d groups, more than %d: write (?:…) for a group that nobody reads", pattern.Text, n-1, maxGroups-1)
	}
	if prefix, err = prefixed(prefix, name); err != nil {
		return nil, err
	}
	p := &Pattern{re: re}
	for i, group := range re.SubexpNames() {
		keys := []string{prefix + strconv.Itoa(i)}
		if group != "" {
			keys = append(keys, prefix+group)
		}
		if !isKey(group) || len(prefix+group) > maxKey {
			return nil, sdk.Errorf(pattern.Pos, "%q cannot name a fact: write at most %d letters a to z, digits and _", group, maxKey-len(prefix))
		}
		p.keys = append(p.keys, keys)
	}
	return p, nil
}

// Also gives the facts a second key each, which begins with prefix alone. The caller
// bounds how many facts a matcher sets.
func (p *Pattern) Also(prefix string) {
	for i, group := range p.re.SubexpNames() {
		p.keys[i] = append(p.keys[i], prefix+strconv.Itoa(i))
		if group != "" {
			p.keys[i] = append(p.keys[i], prefix+group)
		}
	}
}

// AlsoNamed gives the facts a second key each, which begins with name and a dot, or is the
// group alone if there is no name. It does nothing if one of those could not be a key, or
// if there would be more facts than a matcher may set.
func (p *Pattern) AlsoNamed(name string) {
	prefix, err := prefixed("", sdk.Word{Text: name})
	long := func(group string) bool { return len(prefix+group) > maxKey }
	if err == nil && 2*len(p.Keys()) <= maxFacts && !slices.ContainsFunc(p.re.SubexpNames(), long) {
		p.Also(prefix)
	}
}

// prefixed returns what the keys of captures with that name begin with.
func prefixed(prefix string, name sdk.Word) (string, error) {
	if name.Text == "" {
		return prefix, nil
	}
	if !isKey(name.Text) {
		return "", sdk.Errorf(name.Pos, "%q cannot name captures: write letters a to z, digits and _", name.Text)
	}
	if most := maxKey - len(prefix) - len(".0"); len(name.Text) > most {
		return "", sdk.Errorf(name.Pos, "%q is too long to name captures: write at most %d letters", name.Text, most)
	}
	return prefix + name.Text + ".", nil
}

func isKey(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool {
		return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z')
	}) < 0
}

// String returns the pattern as it was written.
func (p *Pattern) String() string { return p.re.String() }

// Match reports whether b contains a match. It allocates nothing.
func (p *Pattern) Match(b []byte) bool { return p.re.Match(b) }

// MatchString reports whether s contains a match. It allocates nothing.
func (p *Pattern) MatchString(s string) bool { return p.re.MatchString(s) }

// Set records what the groups match in b; a group that takes no part in the match
// is empty, and one that matches more than 1 KiB is left out. A pattern with groups
// allocates here, once, after Yes.
func (p *Pattern) Set(f *sdk.Flow, b []byte) {
	if p.re.NumSubexp() == 0 {
		p.setWhole(f, p.re.Find(b))
		return
	}
	at := p.re.FindSubmatchIndex(b)
	if at == nil {
		return
	}
	for i, keys := range p.keys {
		var value []byte
		if at[2*i] >= 0 {
			value = b[at[2*i]:at[2*i+1]]
		}
		if len(value) > maxFact {
			continue
		}
		for _, key := range keys {
			f.Set(key, value)
		}
	}
}

// setWhole records the whole match of a pattern without groups, nil if there is none.
func (p *Pattern) setWhole(f *sdk.Flow, match []byte) {
	if match == nil || len(match) > maxFact {
		return
	}
	for _, key := range p.keys[0] {
		f.Set(key, match)
	}
}

// Keys returns the keys of all facts that Set records.
func (p *Pattern) Keys() []string {
	var all []string
	for _, keys := range p.keys {
		all = append(all, keys...)
	}
	return all
}
