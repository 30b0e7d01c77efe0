// Package vars matches what is known of a connection: variables that a handler
// vars has set, and facts of matchers and handlers that ran before.
//
//	@blue vars tenant blue green
//	@chacha vars {tls.cipher_suite} TLS_CHACHA20_POLY1305_SHA256
//	@aes vars_regexp {tls.cipher_suite} AES_(?<size>\d+)       # {regexp.aes.size}, {regexp.size}
//	@any vars_regexp key {tls.cipher_suite} AES_(?<size>\d+)   # {regexp.key.size}, {regexp.size}
//
// A name without braces is a variable: tenant is {vars.tenant}. A variable that the
// connection does not have, as nobody set it, equals nothing and contains no match: No.
// A fact that it does not have is Unknown, also behind not: a matcher may have been
// unable to read it (psql names its user only behind its request for TLS), and what is
// unreadable is not thereby absent. A matcher in the same set that can wait for the fact
// does so: http waits for the path where {http.path} is read.
package vars

import (
	"slices"
	"strings"

	"dwaar.dev/dwaar/builtin/internal/captures"
	"dwaar.dev/dwaar/sdk"
)

// Spec describes the matcher vars.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name: "vars",
		Doc:  "The variable, or the fact {…}, equals one of the values; these may hold placeholders. A fact that was not read is unknown, also behind not",
		Args: []sdk.Arg{sdk.One("NAME|{PLACEHOLDER}", sdk.Free), sdk.Some("VALUE", sdk.Free)},
	}
}

// RegexpSpec describes the matcher vars_regexp.
func RegexpSpec() sdk.Spec {
	return sdk.Spec{
		Name: "vars_regexp",
		Doc:  "The variable, or the fact {…}, contains a match; groups become regexp.GROUP and regexp.NAME.GROUP, where NAME is that of the set if none is given. A fact that was not read is unknown, also behind not",
		Args: []sdk.Arg{sdk.Maybe("NAME", sdk.Free), sdk.One("NAME|{PLACEHOLDER}", sdk.Free), sdk.One("PATTERN", sdk.Regexp)},
	}
}

// factName returns the full name of the fact that a word means, with braces or
// without.
func factName(w sdk.Word) (string, error) {
	inner, braced := strings.CutPrefix(w.Text, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	name := strings.TrimPrefix(inner, "l4.")
	switch {
	case braced != closed || name == "" || strings.ContainsAny(name, "{} "):
		return "", sdk.Errorf(w.Pos, "%q names no variable: write a name, or a placeholder like {tls.server_name}", w.Text)
	case !braced:
		return "vars." + inner, nil
	case !strings.Contains(name, "."):
		return "", sdk.Errorf(w.Pos, "{%s} names no fact: write {vars.%s}, or a matcher's fact like {tls.server_name}", name, name)
	}
	return name, nil
}

// Matcher is vars: it compares a fact with values. Make one with [New].
type Matcher struct {
	name   string
	values []value
}

// New makes the matcher of a node that fits [Spec].
func New(n *sdk.Node) (sdk.Matcher, error) {
	name, err := factName(n.Args[0])
	if err != nil {
		return nil, err
	}
	m := &Matcher{name: name}
	var faults sdk.Errors
	for _, w := range n.Args[1:] {
		v, err := parseValue(w)
		faults.Add(w.Pos, err)
		m.values = append(m.values, v)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	text, ok := f.Get(m.name)
	if !ok {
		return absent(m.name), nil
	}
	any := sdk.Answer{Verdict: sdk.No}
	for _, v := range m.values {
		any = any.Or(sdk.Answer{Verdict: v.equals(f, text)})
	}
	return any.Verdict, nil
}

// absent is the verdict on a fact that the connection does not have.
func absent(name string) sdk.Verdict {
	of, _, _ := strings.Cut(name, ".")
	if of == "vars" || of == "env" {
		return sdk.No // nobody set it, and nothing that comes will
	}
	return sdk.Unknown
}

// Reads implements [sdk.FactReader].
func (m *Matcher) Reads() []string {
	names := []string{m.name}
	for _, v := range m.values {
		for _, p := range v {
			if p.fact {
				names = append(names, p.text)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Early implements [sdk.Early].
func (m *Matcher) Early() sdk.Known { return early(m.Reads()) }

// value is a word of text and placeholders.
type value []part

type part struct {
	text string
	fact bool // text is the name of a fact
}

// parseValue reads "blue", "{tls.server_name}" or "{tls.server_name}:443".
func parseValue(w sdk.Word) (value, error) {
	var v value
	for rest := w.Text; rest != ""; {
		text, after, found := strings.Cut(rest, "{")
		if text != "" {
			v = append(v, part{text: text})
		}
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return nil, sdk.Errorf(w.Pos, "%q has a brace without its partner: write a placeholder as {tls.server_name}", w.Text)
		}
		name, err := factName(sdk.Word{Text: "{" + name + "}", Pos: w.Pos})
		if err != nil {
			return nil, err
		}
		v = append(v, part{name, true})
		rest = tail
	}
	return v, nil
}

// equals compares without building the text. A value with a variable that is not there
// equals nothing, one with a fact that is not there may equal anything.
func (v value) equals(f *sdk.Flow, text string) sdk.Verdict {
	for _, p := range v {
		want := p.text
		if p.fact {
			var ok bool
			if want, ok = f.Get(p.text); !ok {
				return absent(p.text)
			}
		}
		var ok bool
		if text, ok = strings.CutPrefix(text, want); !ok {
			return sdk.No
		}
	}
	if text != "" {
		return sdk.No
	}
	return sdk.Yes
}

// Regexp is vars_regexp: it looks for a match in a fact. Its own facts have the
// keys GROUP and NAME.GROUP; they stand under "regexp", not under the matcher's
// name. Make one with [NewRegexp].
type Regexp struct {
	name    string
	pattern *captures.Pattern
	named   bool // the arguments name the captures
}

// NewRegexp makes the matcher of a node that fits [RegexpSpec].
func NewRegexp(n *sdk.Node) (sdk.Matcher, error) {
	args, name := n.Args, sdk.Word{}
	if len(args) > 2 {
		name, args = args[0], args[1:]
	}
	fact, err := factName(args[0])
	if err != nil {
		return nil, err
	}
	p, err := captures.Compile("", name, args[1])
	if err != nil {
		return nil, err
	}
	named := len(n.Args) > 2
	if named {
		p.AlsoNamed("")
	}
	return &Regexp{fact, p, named}, nil
}

// InSet implements [sdk.SetNamed]: the set names captures that the arguments do not
// name, if its name can be that of a fact.
func (m *Regexp) InSet(name string) {
	if !m.named && name != "" {
		m.pattern.AlsoNamed(name)
	}
}

// Match implements [sdk.Matcher].
func (m *Regexp) Match(f *sdk.Flow) (sdk.Verdict, error) {
	text, ok := f.Get(m.name)
	switch {
	case !ok:
		return absent(m.name), nil
	case !m.pattern.MatchString(text):
		return sdk.No, nil
	}
	m.pattern.Set(f, []byte(text))
	return sdk.Yes, nil
}

// Reads implements [sdk.FactReader].
func (m *Regexp) Reads() []string { return []string{m.name} }

// Early implements [sdk.Early].
func (m *Regexp) Early() sdk.Known { return early(m.Reads()) }

// Sets implements [sdk.FactSetter]: regexp.GROUP and regexp.NAME.GROUP.
func (m *Regexp) Sets() []string {
	names := m.pattern.Keys()
	for i, key := range names {
		names[i] = "regexp." + key
	}
	return names
}

// early returns what a matcher goes by that reads these facts.
func early(reads []string) sdk.Known {
	known := sdk.KnownTime
	for _, name := range reads {
		switch name {
		case "conn.listener", "conn.network", "conn.id":
		case "conn.remote_addr", "conn.remote_ip", "conn.remote_port":
			known = sdk.KnownRemote
		case "conn.local_addr", "conn.local_ip", "conn.local_port":
			known = sdk.KnownLocal
		default:
			if absent(name) == sdk.Unknown {
				return sdk.KnownLater
			}
		}
	}
	return known
}
