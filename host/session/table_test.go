package session

import (
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// documented returns the rows of the table in the package comment.
func documented(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(text)) {
		if strings.Count(line, "|") == int(Ended) {
			rows = append(rows, strings.Join(strings.Fields(strings.TrimPrefix(line, "//")), " "))
		}
	}
	return rows
}

// executed returns the same rows, made of the table that the code executes.
func executed() []string {
	head := ""
	for s := range Ended {
		head += " | " + strings.ToUpper(stateName(s)[:1]) + stateName(s)[1:]
	}
	rows := []string{strings.TrimSpace(head)}
	for e := range events {
		row := e.String()
		for s := range Ended {
			row += " | " + nameOf(table[e][s])
		}
		rows = append(rows, row)
	}
	return rows
}

func stateName(s State) string {
	return [...]string{"accepted", "matching", "handling", "connecting", "relaying", "closing"}[s]
}

// nameOf returns the name of a method, "." for none.
func nameOf(f transition) string {
	if f == nil {
		return "."
	}
	name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	return name[strings.LastIndexByte(name, '.')+1:]
}

func TestTheTableOfThePackageCommentIsWhatIsExecuted(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(executed(), documented(t)); diff != "" {
		t.Errorf("(-executed +documented):\n%s", diff)
	}
}
