package host

import (
	"fmt"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// Template is a word with placeholders: "{minecraft.host}:25565". The prefix "l4."
// that caddy-l4 writes in front of a name is dropped.
type Template struct {
	parts []templatePart
}

type templatePart struct {
	text string
	fact bool // text is the full name of a fact
}

// ParseTemplate reads a word. A brace that begins no placeholder is an error, as
// is an empty placeholder.
func ParseTemplate(w sdk.Word) (Template, error) {
	var t Template
	rest := w.Text
	for rest != "" {
		open := strings.IndexAny(rest, "{}")
		if open < 0 {
			t.parts = append(t.parts, templatePart{text: rest})
			break
		}
		end := strings.IndexByte(rest[open:], '}')
		if rest[open] == '}' || end < 0 {
			return Template{}, sdk.Errorf(w.Pos, "%q has a brace without its partner: write a placeholder as {tls.server_name}", w.Text)
		}
		name := FactName(rest[open+1 : open+end])
		if !strings.Contains(name, ".") || strings.ContainsAny(name, "{ ") {
			return Template{}, sdk.Errorf(w.Pos, "{%s} names no fact: write {vars.%s}, or a matcher's fact like {tls.server_name}", name, name)
		}
		if open > 0 {
			t.parts = append(t.parts, templatePart{text: rest[:open]})
		}
		t.parts = append(t.parts, templatePart{name, true})
		rest = rest[open+end+1:]
	}
	return t, nil
}

// FactName returns the full name of a fact as the program uses it: without the
// "l4." that caddy-l4 writes in front.
func FactName(name string) string { return strings.TrimPrefix(name, "l4.") }

// Facts returns the full names of the facts that the template reads.
func (t Template) Facts() []string {
	var names []string
	for _, p := range t.parts {
		if p.fact {
			names = append(names, p.text)
		}
	}
	return names
}

// Literal returns the text of a template without placeholders.
func (t Template) Literal() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && !t.parts[0].fact:
		return t.parts[0].text, true
	}
	return "", false
}

// Expand replaces the placeholders by what get returns, and fails if a fact is absent.
func (t Template) Expand(get func(name string) (string, bool)) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		text := p.text
		if p.fact {
			v, ok := get(p.text)
			if !ok {
				return "", fmt.Errorf("expanding {%s}: the connection has no such fact", p.text)
			}
			text = v
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// String returns the template as it is written.
func (t Template) String() string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.fact {
			b.WriteString("{" + p.text + "}")
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}
