package remoteiplist

import (
	"bytes"
	"strings"

	"github.com/gaissmai/bart"

	"dwaar.dev/dwaar/host/files"
	"dwaar.dev/dwaar/sdk"
)

// maxFile bounds a list: a million ranges are below it.
const maxFile = 32 << 20

// maxFaults bounds what is said of one file: a file of another kind is wrong in every
// line.
const maxFaults = 10

// read reads a list.
func read(name string) (*bart.Lite, error) {
	text, err := files.Read(name, maxFile)
	if err != nil {
		return nil, err
	}
	return parse(name, text)
}

// parse makes the table of a list. The error holds the first wrong lines, each with its
// place.
func parse(name string, text []byte) (*bart.Lite, error) {
	table := new(bart.Lite)
	var faults sdk.Errors
	number := 0
	for line := range bytes.Lines(text) {
		number++
		entry, col := entryOf(string(line))
		if entry == "" {
			continue
		}
		prefixes, err := sdk.ParsePrefixes(entry)
		if err != nil || prefixes == nil {
			faults = append(faults, sdk.Errorf(sdk.Pos{File: name, Line: number, Col: col},
				"%q is no address or CIDR range like 10.0.0.0/8: begin a comment with #", clip(entry)))
		}
		if len(faults) == maxFaults {
			break
		}
		for _, p := range prefixes {
			table.Insert(p)
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return table, nil
}

// entryOf returns what a line holds beside its comment, and the column where it begins.
func entryOf(line string) (entry string, col int) {
	for i := range line {
		if isComment(line[i:], i == 0 || isSpace(rune(line[i-1]))) {
			line = line[:i]
			break
		}
	}
	rest := strings.TrimLeftFunc(line, isSpace)
	return strings.TrimRightFunc(rest, isSpace), len(line) - len(rest) + 1
}

// isComment reports whether the rest of a line begins a comment. Two slashes do so only
// where no word goes on: 10.0.0.0//8 is a mistake and no address with a comment.
func isComment(rest string, apart bool) bool {
	return rest[0] == '#' || rest[0] == ';' || apart && strings.HasPrefix(rest, "//")
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

// clip shortens what is repeated of a file that may be anything.
func clip(entry string) string {
	const most = 60
	if len(entry) > most {
		return entry[:most] + "…"
	}
	return entry
}
