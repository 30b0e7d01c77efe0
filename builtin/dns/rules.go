package dns

import (
	"bytes"
	"regexp"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// rule is one line of allow or deny: what it names must all hold.
type rule struct{ name, kind, class pattern }

func (r *rule) holds(q *query) bool {
	return r.kind.holds(q.kind.bytes()) && r.class.holds(q.class.bytes()) && r.name.holds(q.name[:q.length])
}

func anyHolds(rules []rule, q *query) bool {
	for i := range rules {
		if rules[i].holds(q) {
			return true
		}
	}
	return false
}

// pattern is what a text is compared with. The zero value is anything.
type pattern struct {
	text string         // the text itself, or what stands behind its first label
	wild bool           // the first label may be any
	re   *regexp.Regexp // nil, or what the text must match
}

func (p *pattern) holds(text []byte) bool {
	switch {
	case p.re != nil:
		return p.re.Match(text)
	case p.wild:
		dot := bytes.IndexByte(text, '.')
		return dot > 0 && string(text[dot:]) == p.text
	}
	return p.text == "" || string(text) == p.text
}

func (p *pattern) isAnything() bool { return p.text == "" && p.re == nil }
func (p *pattern) isText() bool     { return p.text != "" }

// key returns a name as [sdk.Keyed] has it: without the final dot.
func (p *pattern) key() string {
	switch {
	case p.wild:
		return "*" + strings.TrimSuffix(p.text, ".")
	case p.text == ".":
		return p.text
	}
	return strings.TrimSuffix(p.text, ".")
}

// anything is the word for a part that a rule does not compare.
const anything = "*"

func options() []sdk.Option[Matcher] {
	part := func(name string, shape sdk.Shape, least int) sdk.Arg {
		return sdk.Arg{Name: name, Shape: shape, Words: []string{anything}, Min: least, Max: 1}
	}
	line := func(name, doc string, shape sdk.Shape, rules func(*Matcher) *[]rule, read func(*rule, *sdk.Node) error) sdk.Option[Matcher] {
		return sdk.Line(sdk.Spec{
			Name: name, Doc: doc, Many: true,
			Args: []sdk.Arg{part("NAME", shape, 1), part("TYPE", shape, 0), part("CLASS", shape, 0)},
		}, func(m *Matcher, n *sdk.Node) error {
			var r rule
			err := read(&r, n)
			*rules(m) = append(*rules(m), r)
			return err
		})
	}
	allow := func(m *Matcher) *[]rule { return &m.allow }
	deny := func(m *Matcher) *[]rule { return &m.deny }
	return []sdk.Option[Matcher]{
		line("allow", "Queries for this name, type and class may match", sdk.Free, allow, (*rule).readTexts),
		line("allow_regexp", "Queries whose name, type and class these patterns match may match", sdk.Regexp, allow, (*rule).readPatterns),
		line("deny", "Queries for this name, type and class do not match", sdk.Free, deny, (*rule).readTexts),
		line("deny_regexp", "Queries whose name, type and class these patterns match do not match", sdk.Regexp, deny, (*rule).readPatterns),
		sdk.Line(sdk.Spec{Name: "default_deny", Doc: "Queries that no rule speaks of do not match"},
			sdk.SetFlag(func(m *Matcher) *bool { return &m.defaultDeny })),
		sdk.Line(sdk.Spec{Name: "prefer_allow", Doc: "Queries that are allowed and denied match"},
			sdk.SetFlag(func(m *Matcher) *bool { return &m.preferAllow })),
	}
}

// readTexts reads NAME [TYPE [CLASS]].
func (r *rule) readTexts(n *sdk.Node) error {
	var faults sdk.Errors
	for i, w := range n.Args {
		if w.Text == anything {
			continue
		}
		var ok bool
		switch i {
		case 0:
			faults.Add(w.Pos, r.readName(n, w))
		case 1:
			if r.kind.text, ok = parseType(w.Text); !ok {
				faults = append(faults, sdk.Errorf(w.Pos, "%s: %q is no type of DNS: write a name like AAAA, a number like TYPE65280, or *", n.Name, w.Text))
			}
		case 2:
			if r.class.text, ok = parseClass(w.Text); !ok {
				faults = append(faults, sdk.Errorf(w.Pos, "%s: %q is no class of DNS: write a name like IN, a number like CLASS7, or *", n.Name, w.Text))
			}
		}
	}
	return faults.Err()
}

func (r *rule) readName(n *sdk.Node, w sdk.Word) error {
	name, wild := strings.CutPrefix(w.Text, "*.")
	if wild && name == "." {
		name = "" // the star stands for a label, and needs another behind it
	}
	text, err := parseName(name)
	if err != nil {
		return sdk.Errorf(w.Pos, "%s: %q is no name of DNS: %v", n.Name, w.Text, err)
	}
	if wild {
		text = "." + text
	}
	r.name = pattern{text: text, wild: wild}
	return nil
}

// readPatterns reads NAME [TYPE [CLASS]] of regular expressions.
func (r *rule) readPatterns(n *sdk.Node) error {
	var faults sdk.Errors
	for i, part := range []*pattern{&r.name, &r.kind, &r.class}[:len(n.Args)] {
		w := n.Args[i]
		if w.Text == anything {
			continue
		}
		re, err := regexp.Compile(w.Text)
		if err != nil {
			faults.Add(w.Pos, err)
			continue
		}
		part.re = re
	}
	return faults.Err()
}
