package http

// isQuery reports whether all servers split a query alike: no broken encoding, and no
// ";", which some take for "&".
func isQuery(text []byte) bool {
	for i := 0; i < len(text); {
		_, n := decode(text[i:], true)
		if n == 0 || text[i] == ';' {
			return false
		}
		i += n
	}
	return true
}

// decodesTo reports whether want is what a part of a query stands for.
func decodesTo(text []byte, want string) bool {
	for len(text) > 0 && want != "" {
		c, n := decode(text, true)
		if n == 0 || c != want[0] {
			return false
		}
		text, want = text[n:], want[1:]
	}
	return len(text) == 0 && want == ""
}
