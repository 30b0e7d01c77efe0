package dns

import (
	"errors"
	"strings"
)

// maxText is the length of the longest name as text: 250 bytes in five labels, each as
// \DDD, and a dot behind each label.
const maxText = 4*250 + 5

// appendLabel appends a label as text, in lower case, and a dot.
func appendLabel(text, label []byte) []byte {
	for _, b := range label {
		switch {
		case b >= 'A' && b <= 'Z':
			text = append(text, b+'a'-'A')
		case isPlain(b):
			text = append(text, b)
		default:
			text = append(text, '\\', '0'+b/100, '0'+b/10%10, '0'+b%10)
		}
	}
	return append(text, '.')
}

// endName completes a name behind its last label: the root alone is a dot.
func endName(text []byte) []byte {
	if len(text) == 0 {
		return append(text, '.')
	}
	return text
}

// isPlain reports whether a byte of a label stands for itself in text. A dot never does:
// what is between two dots of a text is a label.
func isPlain(b byte) bool {
	return b > ' ' && b < 0x7f && strings.IndexByte(`.\"'();@$`, b) < 0
}

// parseName returns the text that a name from a configuration has in a query.
func parseName(name string) (string, error) {
	if name == "." {
		return name, nil
	}
	var text, label []byte
	wire := 1
	for rest := name; rest != ""; {
		label = label[:0]
		var err error
		if label, rest, err = cutLabel(label, rest); err != nil {
			return "", err
		}
		wire += 1 + len(label)
		switch {
		case len(label) == 0:
			return "", errors.New("a label between two dots is empty")
		case len(label) > maxLabel || wire > maxName:
			return "", errors.New("a label has at most 63 bytes, and a name 255")
		}
		text = appendLabel(text, label)
	}
	if text == nil {
		return "", errors.New("write . for the root")
	}
	return string(text), nil
}

// cutLabel appends the bytes of the first label of a name, and returns what is behind its
// dot.
func cutLabel(label []byte, name string) (_ []byte, rest string, err error) {
	for name != "" {
		b, n := name[0], 1
		switch {
		case b == '.':
			return label, name[1:], nil
		case b == '\\':
			if b, n = unescape(name); n == 0 {
				return nil, "", errors.New(`behind \ stand three digits up to 255, or the character itself`)
			}
		case b > 0x7e:
			return nil, "", errors.New("write the xn-- form, or the bytes as \\DDD")
		case b <= ' ' || b == '{' || b == '}':
			return nil, "", errors.New("spaces and braces cannot stand in a name: write them as \\DDD")
		}
		label, name = append(label, b), name[n:]
	}
	return label, "", nil
}

// unescape reads \DDD or \X (RFC 1035 §5.1), and returns the byte and how long that was;
// 0 if it is neither.
func unescape(s string) (b byte, n int) {
	if len(s) >= 2 && (s[1] < '0' || s[1] > '9') {
		return s[1], 2
	}
	if len(s) < 4 {
		return 0, 0
	}
	v := 0
	for _, d := range []byte(s[1:4]) {
		if d < '0' || d > '9' {
			return 0, 0
		}
		v = 10*v + int(d-'0')
	}
	if v > 255 {
		return 0, 0
	}
	return byte(v), 4
}
