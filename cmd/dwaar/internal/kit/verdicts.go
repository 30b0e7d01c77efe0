package kit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/sdk"
)

// Verdicts are what a module is expected to say, as verdicts.golden has it: each
// matcher as a line of a Dwaarfile, with its block if it has one, and behind it, with a
// tab before each, the samples and the answers.
//
//	hello world
//		begun: need 10
//		world: yes who="world"
type Verdicts []Question

// Question is what is asked about every sample.
type Question struct {
	Line    string            // of a Dwaarfile: "hello world"
	At      int               // in the file, from 1; 0: in none
	Answers map[string]string // by sample; the order is that of the samples' names
}

// ReadVerdicts reads a file. One that is not there has none.
func ReadVerdicts(path string) (Verdicts, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading verdicts: %w", err)
	}
	v, err := ParseVerdicts(string(text))
	if err != nil {
		return nil, fmt.Errorf("reading verdicts: %s:%w", path, err)
	}
	return v, nil
}

// ParseVerdicts reads the text of a file. The error begins with the line. Lines that
// are empty or begin with # are comments, which are lost when the file is written.
func ParseVerdicts(text string) (Verdicts, error) {
	var v Verdicts
	depth, at := 0, 0
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		at++
		bare := strings.TrimSpace(line)
		switch {
		case depth == 0 && (bare == "" || strings.HasPrefix(bare, "#")):
			continue
		case depth > 0:
			q := &v[len(v)-1]
			q.Line += "\n" + line
		case !strings.HasPrefix(line, "\t"):
			v = append(v, Question{Line: line, At: at, Answers: map[string]string{}})
		default:
			name, answer, ok := strings.Cut(bare, ": ")
			if len(v) == 0 || !ok {
				return nil, fmt.Errorf("%d: %q is no answer: write a matcher, and then, behind a tab, SAMPLE: ANSWER", at, bare)
			}
			v[len(v)-1].Answers[name] = answer
			continue
		}
		depth += braces(bare)
	}
	if depth > 0 {
		return nil, fmt.Errorf("%d: a block is not closed", at)
	}
	return v, nil
}

// braces says by how much a line is deeper or less deep than the one before.
func braces(line string) int {
	switch {
	case line == "}":
		return -1
	case line == "{", strings.HasSuffix(line, " {"):
		return 1
	}
	return 0
}

// node reads the matcher of a question as a Dwaarfile has it, with places in the file
// of that name.
func (q *Question) node(file string) (*sdk.Node, error) {
	const before = "layer4 {\n127.0.0.1:0 {\n@x {\n"
	text := before + q.Line + "\n}\nroute @x {\n}\n}\n}\n"
	tree, err := dwaarfile.Parse(file, []byte(text), graph.Grammar(new(host.Registry)), dwaarfile.Options{})
	by := max(q.At, 1) - 1 - strings.Count(before, "\n")
	if es, ok := errors.AsType[sdk.Errors](err); ok {
		last := max(q.At, 1) + strings.Count(q.Line, "\n")
		for _, e := range es {
			e.Pos.Line = min(e.Pos.Line+by, last) // a brace too many is missed behind the question
		}
	}
	if err != nil {
		return nil, err
	}
	set := tree[0].Block[0].Block[0].Block
	if len(set) != 1 {
		return nil, fmt.Errorf("%s:%d: write one matcher, as it stands in a Dwaarfile", file, max(q.At, 1))
	}
	shift(&set[0], by)
	return &set[0], nil
}

// shift moves all places of a node.
func shift(n *sdk.Node, by int) {
	n.Pos.Line += by
	for i := range n.Args {
		n.Args[i].Pos.Line += by
	}
	for i := range n.Block {
		shift(&n.Block[i], by)
	}
}

// text prints verdicts with answers for the samples of these names, in that order.
func (v Verdicts) text(names []string) string {
	var b strings.Builder
	for _, q := range v {
		b.WriteString(q.Line + "\n")
		for _, name := range names {
			if answer, ok := q.Answers[name]; ok {
				fmt.Fprintf(&b, "\t%s: %s\n", name, answer)
			}
		}
	}
	return b.String()
}
