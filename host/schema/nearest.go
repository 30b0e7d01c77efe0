package schema

// Nearest returns the word that name was probably meant to be, and "" if it resembles none.
func Nearest(name string, words []string) string {
	best, least := "", len(name)/2+1
	if len(name) > longest {
		return ""
	}
	for _, w := range words {
		if d := distance(name, w); d < least {
			best, least = w, d
		}
	}
	return best
}

// longest is a name that somebody may have mistyped: a longer one is none of ours.
const longest = 40
