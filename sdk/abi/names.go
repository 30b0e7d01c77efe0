package abi

import "strings"

// ValidName reports whether name can be that of a matcher in a module, or the key of a
// fact: a lower-case letter, then lower-case letters, digits and underscores, at most
// [MaxName] bytes in all.
func ValidName(name string) bool {
	if name == "" || len(name) > MaxName || !lower(name[0]) {
		return false
	}
	for _, c := range []byte(name) {
		if !lower(c) && c != '_' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func lower(c byte) bool { return 'a' <= c && c <= 'z' }

// ValidKey reports whether set takes a fact of that key: a [ValidName] other than
// "code", which is the number that match returned.
func ValidKey(key string) bool { return ValidName(key) && key != "code" }

// MatcherOf splits the name of an export into base, [ExportInit] or [ExportMatch],
// and the name of the matcher, "" for the default one. ok is false for every other
// name.
func MatcherOf(export string) (base, matcher string, ok bool) {
	for _, base := range [...]string{ExportInit, ExportMatch} {
		rest, found := strings.CutPrefix(export, base)
		if !found {
			continue
		}
		if rest == "" {
			return base, "", true
		}
		if name, named := strings.CutPrefix(rest, "_"); named && ValidName(name) {
			return base, name, true
		}
	}
	return "", "", false
}
