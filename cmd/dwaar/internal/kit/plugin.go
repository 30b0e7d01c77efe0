package kit

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// Where a plugin's directory has what it is tested with.
const (
	samplesDir   = "testdata/samples"
	verdictsFile = "testdata/verdicts.golden"
)

// Subject is what a tool is asked about: a module, samples, and questions.
type Subject struct {
	Module   string   // the file
	Name     string   // of the plugin in questions
	Samples  []Sample // ordered as they are shown
	Verdicts Verdicts // what is asked, and what was written down
	File     string   // that has the verdicts, or will have
	Whole    bool     // the samples are all those of the plugin's directory
	Heard    *Ear     // what the guests log, if the engine has its Hear to listen; nil: nobody does
}

// Select says what somebody wants to know. The zero value is the plugin in the working
// directory.
type Select struct {
	Paths []string // a directory or a module, and files with samples; of samples there are those of the directory otherwise
	Hex   []string // samples in hexadecimal digits
	Ask   []string // questions, instead of those written down
}

// Find finds the files.
func Find(s Select) (*Subject, error) {
	sub, dir := &Subject{Whole: len(s.Hex) == 0}, ""
	for _, path := range s.Paths {
		if err := sub.path(path, &dir); err != nil {
			return nil, err
		}
	}
	if err := sub.module(dir); err != nil {
		return nil, err
	}
	return sub, sub.rest(cmp.Or(dir, filepath.Dir(sub.Module)), s)
}

// path takes in what was named: the directory, the module, or a file with samples.
func (sub *Subject) path(path string, dir *string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("looking for the plugin: %w", err)
	}
	switch module := filepath.Ext(path) == ".wasm"; {
	case info.IsDir() && *dir == "":
		*dir = path
	case module && sub.Module == "":
		sub.Module = path
	case module || info.IsDir():
		return fmt.Errorf("looking for the plugin: %s is one more: name one directory or one module", path)
	default:
		some, err := ReadSamples(path)
		if err != nil {
			return err
		}
		sub.Samples, sub.Whole = append(sub.Samples, some...), false
	}
	return nil
}

// module finds the module in a directory.
func (sub *Subject) module(dir string) error {
	if sub.Module == "" {
		dir = cmp.Or(dir, ".")
		all, _ := filepath.Glob(filepath.Join(dir, "*.wasm")) // the pattern is well-formed
		full, err := filepath.Abs(dir)
		if err != nil {
			return fmt.Errorf("looking for the plugin: %w", err)
		}
		own := filepath.Join(dir, filepath.Base(full)+".wasm")
		switch {
		case len(all) == 0:
			return fmt.Errorf("looking for the plugin: there is no module in %s: build it, or name a file .wasm", dir)
		case len(all) > 1 && !slices.Contains(all, own):
			return fmt.Errorf("looking for the plugin: there are several modules in %s: name one of %s", dir, strings.Join(all, " "))
		case len(all) > 1:
			sub.Module = own
		default:
			sub.Module = all[0]
		}
	}
	sub.Name = strings.TrimSuffix(filepath.Base(sub.Module), ".wasm")
	if !abi.ValidName(sub.Name) {
		sub.Name = "plugin" // as Open calls it
	}
	return nil
}

// rest finds samples and questions.
func (sub *Subject) rest(dir string, s Select) (err error) {
	for i, text := range s.Hex {
		sample, err := ParseHex(fmt.Sprintf("hex %d", i+1), text)
		if err != nil {
			return fmt.Errorf("reading --hex: %w", err)
		}
		sub.Samples = append(sub.Samples, sample)
	}
	if sub.Whole {
		sub.Samples, err = samplesIn(filepath.Join(dir, samplesDir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	sub.File = filepath.Join(dir, verdictsFile)
	if sub.Verdicts, err = ReadVerdicts(sub.File); err != nil {
		return err
	}
	if len(s.Ask) > 0 {
		sub.ask(s.Ask)
	}
	return nil
}

// ask makes the questions those of the command line, with the answers that are known.
func (sub *Subject) ask(lines []string) {
	var asked Verdicts
	for _, line := range lines {
		q := Question{Line: line}
		for _, known := range sub.Verdicts {
			if known.Line == line {
				q = known
			}
		}
		asked = append(asked, q)
	}
	sub.Verdicts, sub.Whole = asked, false
}

// guest is a question that can be asked.
type guest struct {
	*Question
	matcher *wasm.Matcher
	again   *wasm.Matcher // the same with a configuration of its own
}

// opened is a module with the matchers that the questions want.
type opened struct {
	plugin *wasm.Plugin
	guests []guest
}

// open loads the module and configures its matchers. Without questions each matcher is
// asked without arguments. The caller closes the plugin.
func (sub *Subject) open(h *wasm.Host) (*opened, error) {
	p, err := h.Open(sub.Module, wasm.Limits{Window: sub.window()})
	if err != nil {
		return nil, err
	}
	if len(sub.Verdicts) == 0 {
		for _, name := range p.Matchers() {
			sub.Verdicts = append(sub.Verdicts, Question{Line: strings.TrimSuffix(sub.Name+"."+name, ".")})
		}
	}
	o := &opened{plugin: p}
	var errs sdk.Errors
	for i := range sub.Verdicts {
		g := guest{Question: &sub.Verdicts[i]}
		if err := sub.configure(p, &g); err != nil {
			errs.Add(sdk.Pos{File: sub.File, Line: g.At, Col: 1}, err)
			continue
		}
		o.guests = append(o.guests, g)
	}
	if err := errs.Err(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return o, nil
}

// configure makes the matcher of a question, twice.
func (sub *Subject) configure(p *wasm.Plugin, g *guest) error {
	file := sub.File
	if g.At == 0 {
		file = "the question"
	}
	n, err := g.node(file)
	if err != nil {
		return err
	}
	of, name, _ := strings.Cut(n.Name, ".")
	if of != sub.Name {
		return sdk.Errorf(n.Pos, "%s is no matcher of this plugin: it is called %s here, like its file", n.Name, sub.Name)
	}
	if g.matcher, err = p.Matcher(name, n); err != nil {
		return err
	}
	g.again, err = p.Matcher(name, n)
	return err
}

// window is how many bytes the guest is asked for: for as much of a stream as the proxy
// shows by default, or the longest sample of datagrams if that is more.
func (sub *Subject) window() int {
	head := stream
	for i := range sub.Samples {
		if s := &sub.Samples[i]; s.Bounds != nil {
			head = max(head, len(s.Head), stream+beyond)
		}
	}
	return abi.WindowSize(head, arguments)
}

// What a window has room for, bytes.
const (
	stream    = 16 << 10 // of a stream, by default
	datagrams = 64 << 10 // of a session of datagrams, always
	beyond    = 1 << 10  // that the laws show more of it, as one datagram
	arguments = 16 << 10
)
