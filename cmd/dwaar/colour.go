package main

import (
	"fmt"
	"io"
	"strings"
)

// painter writes colours where somebody at a terminal reads, unless NO_COLOR is set to
// anything (no-color.org) or the terminal is a dumb one.
type painter struct{ on bool }

func (a *app) painter(w io.Writer) painter {
	return painter{terminal(w) && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"}
}

// The colours, as SGR parameters of ECMA-48.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (p painter) paint(colour, text string) string {
	if !p.on || text == "" {
		return text
	}
	return fmt.Sprintf("\x1b[%sm%s\x1b[0m", colour, text)
}

// answer paints an answer by what it means.
func (p painter) answer(text string) string {
	switch word, _, _ := strings.Cut(text, " "); word {
	case "yes":
		return p.paint(green, text)
	case "no":
		return p.paint(dim, text)
	case "error:":
		return p.paint(red, text)
	}
	return p.paint(yellow, text)
}
