package winbox

import (
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// name is what a user name has to equal: text and placeholders.
type name []part

type part struct {
	text string
	fact bool // text is the name of a fact
}

// parseName reads "toms" or "{vars.tenant}-admin".
func parseName(w sdk.Word) (name, error) {
	if w.Text == "" {
		return nil, sdk.Errorf(w.Pos, "username is empty: write a name, or leave the option out")
	}
	var n name
	for rest := w.Text; rest != ""; {
		text, after, found := strings.Cut(rest, "{")
		if text != "" {
			n = append(n, part{text: text})
		}
		if !found {
			break
		}
		fact, tail, closed := strings.Cut(after, "}")
		fact = strings.TrimPrefix(fact, "l4.")
		if !closed || !strings.Contains(fact, ".") {
			return nil, sdk.Errorf(w.Pos, "username %q: a placeholder has the form {tls.server_name}", w.Text)
		}
		n = append(n, part{fact, true})
		rest = tail
	}
	return n, nil
}

// equals compares without building the text. A name with a fact that is not there
// equals nothing.
func (n name) equals(f *sdk.Flow, text []byte) bool {
	for _, p := range n {
		want := p.text
		if p.fact {
			var ok bool
			if want, ok = f.Get(p.text); !ok {
				return false
			}
		}
		if len(text) < len(want) || string(text[:len(want)]) != want {
			return false
		}
		text = text[len(want):]
	}
	return len(text) == 0
}
