package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// except reads the file of equivalent mutants. A line names one by file, function, kind,
// text and which of several alike, so that it holds while lines move; its reason is
// indented below. What names no mutant of a file that was read is an error: the code has
// changed, and the reason with it.
func except(all []*mutant, name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("reading the equivalent mutants: %w", err)
	}
	of, files := map[string]*mutant{}, map[string]bool{}
	for _, m := range all {
		of[m.key()] = m
		files[m.file] = true
	}
	var named []*mutant // by the lines above a reason
	for i, line := range strings.Split(string(text), "\n") {
		reason, indented := strings.CutPrefix(line, "\t")
		file, _, _ := strings.Cut(line, ":")
		switch m := of[line]; {
		case line == "" || strings.HasPrefix(line, "#"):
			named = nil
		case indented:
			for _, m := range named {
				m.equivalent = strings.TrimSpace(m.equivalent + " " + reason)
			}
		case m != nil:
			named = append(named, m)
		case files[file]:
			return fmt.Errorf("%s:%d: there is no such mutant: %s", name, i+1, line)
		}
	}
	return nil
}

// key is how the file of equivalent mutants names one.
func (m *mutant) key() string {
	return m.file + ": " + m.function + " " + m.kind + ": " + oneLine(m.old) + " -> " + oneLine(m.new) + " #" + strconv.Itoa(m.ordinal)
}
