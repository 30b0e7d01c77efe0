package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"dwaar.dev/dwaar/host/control"
	"dwaar.dev/dwaar/sdk"
)

// fail prints why a command failed and what to do next.
func (a *app) fail(err error) {
	if errors.Is(err, errSilent) {
		return
	}
	if es, ok := errors.AsType[sdk.Errors](err); ok {
		a.faults(es, "")
		return
	}
	fmt.Fprintf(a.err, "dwaar: %v\n", err)
	if errors.Is(err, control.ErrNobody) {
		fmt.Fprintln(a.err, "Start one with `dwaar serve`, or name the socket of another one with --control PATH.")
	}
}

// faults prints the errors or warnings of a configuration, a line each; on a
// terminal with the line of the file and a caret. kind stands before each message.
func (a *app) faults(es sdk.Errors, kind string) {
	show := terminal(a.err)
	files := map[string][]string{}
	for _, e := range es {
		at := e.Pos.String()
		if at != "" {
			at += ": "
		}
		fmt.Fprintf(a.err, "%s%s%s\n", at, kind, e.Msg)
		if show {
			excerpt(a.err, e.Pos, files)
		}
	}
}

// excerpt prints the line a fault is in and points at the place.
func excerpt(w io.Writer, p sdk.Pos, files map[string][]string) {
	lines, ok := files[p.File]
	if !ok {
		lines = readLines(p.File)
		files[p.File] = lines
	}
	if p.Line < 1 || p.Line > len(lines) || p.Col < 1 {
		return
	}
	line := lines[p.Line-1]
	before := line
	if utf8.RuneCountInString(line) >= p.Col {
		before = string([]rune(line)[:p.Col-1])
	}
	blank := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, before)
	fmt.Fprintf(w, "    %s\n    %s^\n", line, blank)
}

// maxExcerpt is how much of a file is read to show a line of it.
const maxExcerpt = 1 << 20 // bytes

// readLines returns the lines of a file, none if it cannot be read: what is wrong
// was said already.
func readLines(name string) []string {
	if name == defaultName {
		return strings.Split(defaultText, "\n")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxExcerpt))
	if err != nil {
		return nil
	}
	return strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
}
