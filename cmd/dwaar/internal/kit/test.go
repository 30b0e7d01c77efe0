package kit

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// TestOptions say how a plugin is tested.
type TestOptions struct {
	Split  bool // check the laws: every sample is cut at every place, and the verdict stays
	Update bool // write down what the plugin says
}

// Report is what a test found.
type Report struct {
	Plugin   wasm.Description `json:"plugin"`            // that was tested
	Answers  []Answer         `json:"answers"`           // of each matcher, about each sample
	Broken   []Broken         `json:"broken"`            // laws; only looked for on request
	Stale    []string         `json:"stale"`             // samples that are written down and are not there
	Updated  string           `json:"updated,omitempty"` // the file that was written
	Failures int              `json:"failures"`          // answers that failed, broken laws and stale samples, together
}

// Answer is what a matcher says of a sample.
type Answer struct {
	Matcher string   `json:"matcher"`        // as a line of a Dwaarfile
	Sample  string   `json:"sample"`         // its name
	Answer  string   `json:"answer"`         // verdict and facts
	Want    string   `json:"want"`           // as it is written down; "": it is not
	Fuel    int64    `json:"fuel"`           // units it took
	Budget  int64    `json:"budget"`         // units it could take
	Logs    []string `json:"logs,omitempty"` // what it said meanwhile
	Failed  bool     `json:"failed"`         // it is not what is written down, or no answer
}

// Broken is a law that a matcher does not obey.
type Broken struct {
	Matcher string `json:"matcher"` // as a line of a Dwaarfile
	Law     string `json:"law"`     // what happened
}

// Test asks about every sample. That something is not as it should be is no error: the
// report counts it.
func (sub *Subject) Test(h *wasm.Host, o TestOptions) (*Report, error) {
	if o.Update && !sub.Whole {
		return nil, fmt.Errorf("writing verdicts: only all samples and questions together are written down: put them in %s and %s", samplesDir, sub.File)
	}
	if len(sub.Samples) == 0 {
		return nil, fmt.Errorf("testing %s: there are no samples: put first bytes of real clients in %s, or name a file or --hex", sub.Module, samplesDir)
	}
	opened, err := sub.open(h)
	if err != nil {
		return nil, err
	}
	defer opened.plugin.Close()
	r := &Report{Plugin: opened.plugin.Describe(), Answers: []Answer{}, Broken: []Broken{}, Stale: []string{}}
	for _, g := range opened.guests {
		for i := range sub.Samples {
			r.Answers = append(r.Answers, sub.answer(g, &sub.Samples[i]))
		}
		if o.Split {
			r.laws(g, sub.Samples)
		}
	}
	if o.Update {
		return r, sub.update(r)
	}
	sub.judge(r)
	return r, nil
}

// answer asks a matcher about a sample.
func (sub *Subject) answer(g guest, s *Sample) Answer {
	f := s.Flow()
	sub.Heard.take()
	e := g.matcher.Evaluate(&f)
	return Answer{
		Logs:    sub.Heard.take(),
		Matcher: g.Line, Sample: s.Name, Answer: describe(&e), Want: g.Answers[s.Name],
		Fuel: e.Fuel, Budget: e.Budget, Failed: e.Err != nil,
	}
}

// describe prints an evaluation as verdicts are written down: the number of a yes only
// if it says more than yes.
func describe(e *wasm.Evaluation) string {
	r := matchtest.Result{Answer: sdk.Answer{Verdict: e.Verdict, Err: e.Err}, Facts: map[string]string{}}
	for _, f := range e.Facts {
		r.Facts[f.Name] = string(f.Value)
	}
	text := r.String()
	if e.Err == nil && e.Verdict > sdk.Yes {
		text = fmt.Sprintf("yes %d%s", e.Verdict, strings.TrimPrefix(text, "yes"))
	}
	return text
}

// judge compares with what is written down. What is asked beside that is only shown,
// unless there is no answer at all.
func (sub *Subject) judge(r *Report) {
	written := slices.ContainsFunc(sub.Verdicts, func(q Question) bool { return len(q.Answers) > 0 })
	for i := range r.Answers {
		a := &r.Answers[i]
		if a.Want != "" || sub.Whole && written {
			a.Failed = a.Answer != a.Want
		}
		if a.Failed {
			r.Failures++
		}
	}
	if sub.Whole {
		r.Stale = append(r.Stale, sub.stale()...)
	}
	r.Failures += len(r.Stale) + len(r.Broken)
}

// stale returns the names of samples that only the verdicts know, ordered.
func (sub *Subject) stale() []string {
	names := map[string]bool{}
	for _, q := range sub.Verdicts {
		for name := range q.Answers {
			names[name] = true
		}
	}
	for i := range sub.Samples {
		delete(names, sub.Samples[i].Name)
	}
	return slices.Sorted(maps.Keys(names))
}

// update writes down what was said.
func (sub *Subject) update(r *Report) error {
	var names []string
	for i := range sub.Samples {
		names = append(names, sub.Samples[i].Name)
	}
	for i := range sub.Verdicts {
		q := &sub.Verdicts[i]
		q.Answers = map[string]string{}
		for j := range r.Answers {
			if a := &r.Answers[j]; a.Matcher == q.Line {
				q.Answers[a.Sample], a.Want, a.Failed = a.Answer, a.Answer, false
			}
		}
	}
	r.Updated, r.Failures = sub.File, len(r.Broken)
	if err := os.WriteFile(sub.File, []byte(sub.Verdicts.text(names)), 0o666); err != nil {
		return fmt.Errorf("writing verdicts: %w", err)
	}
	return nil
}

// laws checks that a matcher obeys them on all samples.
func (r *Report) laws(g guest, samples []Sample) {
	var heads [][]byte
	var sessions [][][]byte
	for i := range samples {
		s := &samples[i]
		if s.Bounds != nil {
			sessions = append(sessions, s.datagrams())
		} else {
			heads = append(heads, s.Flow().Head)
		}
		r.repeats(g, s)
	}
	broken := func(err error) {
		if err != nil {
			r.Broken = append(r.Broken, Broken{g.Line, strings.Replace(err.Error(), "kit.asMatcher", g.Line, 1)})
		}
	}
	m := asMatcher{g.matcher}
	if len(heads) > 0 {
		broken(matchtest.Check(m, matchtest.TCP(), heads...))
	}
	if len(sessions) > 0 {
		broken(matchtest.CheckDatagrams(m, matchtest.UDP(), sessions...))
	}
}

// repeats asks twice more, with another configuration of the instance in between: the
// answer is the same, to the last unit of fuel.
func (r *Report) repeats(g guest, s *Sample) {
	var first wasm.Evaluation
	for i, m := range []*wasm.Matcher{g.matcher, g.again, g.matcher} {
		f := s.Flow()
		e := m.Evaluate(&f)
		if i == 0 {
			first = e
		}
		if describe(&e) != describe(&first) || e.Fuel != first.Fuel {
			r.Broken = append(r.Broken, Broken{g.Line, fmt.Sprintf("asked again about %s it says %s with %d units of fuel, and said %s with %d",
				s.Name, describe(&e), e.Fuel, describe(&first), first.Fuel)})
			return
		}
	}
}

// asMatcher is a guest as the laws see it: without what one connection may take in all.
type asMatcher struct{ *wasm.Matcher }

// Match asks the guest.
func (m asMatcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	e := m.Evaluate(f)
	for _, fact := range e.Facts {
		f.Set(fact.Name, fact.Value)
	}
	return e.Verdict, e.Err
}
