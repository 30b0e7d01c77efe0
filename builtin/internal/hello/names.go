package hello

import (
	"bytes"
	"strings"
)

func anyCovers(patterns []string, name []byte) bool {
	for _, p := range patterns {
		if covers(p, name) {
			return true
		}
	}
	return false
}

// covers reports whether pattern is name, or "*." and name without its first label.
func covers(pattern string, name []byte) bool {
	if rest, wild := strings.CutPrefix(pattern, "*."); wild {
		_, behind, ok := bytes.Cut(name, []byte{'.'})
		return ok && string(behind) == rest
	}
	return string(name) == pattern
}
