package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Summary counts tests and subtests.
type Summary struct {
	Passed, Failed, Skipped int
}

// String is the line that closes a run.
func (s Summary) String() string {
	if s.Skipped == 0 {
		return fmt.Sprintf("%d passed, %d failed", s.Passed, s.Failed)
	}
	return fmt.Sprintf("%d passed, %d failed, %d skipped", s.Passed, s.Failed, s.Skipped)
}

// event is a line of `go test -json`; see `go doc test2json`, and the field
// ImportPath for build output in `go help buildjson`.
type event struct {
	Action, Package, Test, Output, ImportPath string
	FailedBuild                               string
}

// Summarize reads events to the end, prints packages as they finish to w, and
// closes with the skipped tests, the failed ones, and the counts. An input that
// is not what `go test -json` writes is an error.
func Summarize(r io.Reader, w io.Writer) (Summary, error) {
	p := printer{w: w, output: map[key]*strings.Builder{}, running: map[key]bool{}}
	for d := json.NewDecoder(r); ; {
		var e event
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return p.sum, fmt.Errorf("reading test events: %w", err)
		}
		p.take(e)
	}
	for k := range p.running { // the go command itself was ended
		p.fail(k)
	}
	p.close()
	return p.sum, p.err
}

// key names a test, or a package when test is empty, or a build when pkg is.
type key struct{ pkg, test, build string }

type printer struct {
	w       io.Writer
	err     error // of w
	sum     Summary
	output  map[key]*strings.Builder // of what has not ended
	running map[key]bool
	skips   []string
	failed  []string
}

func (p *printer) take(e event) {
	k := key{pkg: e.Package, test: e.Test}
	if e.Package == "" {
		k.build = e.ImportPath
	}
	switch e.Action {
	case "start", "run":
		p.running[k] = true
	case "output", "build-output":
		p.add(k, e.Output)
	case "pass", "skip", "fail":
		delete(p.running, k)
		p.end(k, e)
	}
}

func (p *printer) add(k key, text string) {
	b := p.output[k]
	if b == nil {
		b = &strings.Builder{}
		p.output[k] = b
	}
	b.WriteString(text)
}

func (p *printer) end(k key, e event) {
	switch {
	case k.test == "":
		p.endPackage(k, e)
	case e.Action == "pass":
		p.sum.Passed++
	case e.Action == "skip":
		p.sum.Skipped++
		p.skips = append(p.skips, fmt.Sprintf("%s %s: %s", k.pkg, k.test, reason(p.text(k))))
	default:
		p.fail(k)
	}
	delete(p.output, k)
}

// endPackage prints a package's own lines: its result, and if it failed what
// its build or its unfinished tests had said.
func (p *printer) endPackage(k key, e event) {
	if e.FailedBuild != "" {
		p.print(p.text(key{build: e.FailedBuild}))
	}
	failures := p.sum.Failed
	if e.Action == "fail" {
		for _, open := range p.unfinished(k.pkg) {
			p.fail(open)
			delete(p.running, open)
		}
	}
	text := p.text(k)
	if e.Action != "fail" {
		text = lastLine(text)
	} else if failures == p.sum.Failed && !p.hasFailed(k.pkg) {
		p.sum.Failed++
		p.failed = append(p.failed, k.pkg)
	}
	p.print(text)
}

func (p *printer) hasFailed(pkg string) bool {
	return slices.ContainsFunc(p.failed, func(f string) bool { return strings.HasPrefix(f, pkg+" ") })
}

// unfinished are the tests of a package that began and did not end: one of them
// panicked or ran out of time.
func (p *printer) unfinished(pkg string) []key {
	open := slices.Collect(maps.Keys(p.running))
	open = slices.DeleteFunc(open, func(k key) bool { return k.pkg != pkg || k.test == "" })
	slices.SortFunc(open, func(a, b key) int { return cmp.Compare(a.test, b.test) })
	return open
}

func (p *printer) fail(k key) {
	p.sum.Failed++
	p.failed = append(p.failed, strings.TrimSpace(k.pkg+" "+k.test))
	p.print(p.text(k))
	delete(p.output, k)
}

// close prints what a reader of the last screen looks for.
func (p *printer) close() {
	for _, s := range p.skips {
		p.print("skipped: " + s + "\n")
	}
	for _, f := range p.failed {
		p.print("failed: " + f + "\n")
	}
	p.print(p.sum.String() + "\n")
}

func (p *printer) text(k key) string {
	if b := p.output[k]; b != nil {
		return b.String()
	}
	return ""
}

func (p *printer) print(text string) {
	if _, err := io.WriteString(p.w, text); err != nil && p.err == nil {
		p.err = fmt.Errorf("printing results: %w", err)
	}
}

// reason is the line in which a skipped test said why.
func reason(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			return line
		}
	}
	return "it did not say why"
}

// lastLine is the result of a package that passed: "ok …" or "? … [no test files]".
func lastLine(text string) string {
	text = strings.TrimSuffix(text, "\n")
	return text[strings.LastIndexByte(text, '\n')+1:] + "\n"
}
