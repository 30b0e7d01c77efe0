package wasm

import (
	"context"
	"fmt"
	"log/slog"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/wasm/record"
	"dwaar.dev/dwaar/sdk"
)

// shadowResult is what came of a copy for a shadow.
type shadowResult int

const (
	agreed     shadowResult = iota // it said the same
	disagreed                      // it did not
	unanswered                     // it asked for a fact that was not copied
	dropped                        // there was no room for the copy
	shadowResults
)

// String is the result's name in metrics.
func (r shadowResult) String() string {
	return [shadowResults]string{"agreed", "disagreed", "unanswered", "dropped"}[r]
}

// shadow asks candidates what their plugins were asked. It is an actor.
type shadow struct{ *tap }

func newShadow() *shadow { return &shadow{newTap(true)} }

// Run asks until ctx is done.
func (s *shadow) Run(ctx context.Context) error {
	s.run(ctx, (*sample).compare)
	return nil
}

// compare asks the shadow of the sample's matcher.
func (s *sample) compare() {
	m := s.matcher
	who, counts := m.shadow, m.plugin.counts
	s.flow.Bind(&s.recalled)
	got, err := who.try(&s.flow, s.budget, aloud)
	e, _ := err.(*Error)
	switch {
	case err != nil && (e == nil || e.Kind == Closed):
		return // one of the two is gone, with its connections
	case s.recalled.missed || s.recalled.over:
		counts.shadowed[unanswered].Add(1)
	case got.Same(&s.outcome):
		counts.shadowed[agreed].Add(1)
	default:
		counts.shadowed[disagreed].Add(1)
		m.module.tell(&instance{call: call{matcher: m, flow: &s.flow}}, slog.LevelWarn, "the shadow says something else",
			slog.String(keySaid, inWords(&s.outcome)), slog.String(keyShadow, inWords(&got)))
	}
}

// candidate is the plugin that a shadow is: with the limits of the one it stands
// behind, and nothing of its own.
func (p *Plugin) candidate(w sdk.Word) *Plugin {
	return &Plugin{Name: p.Name + " (shadow)", Path: w.Text, path: w.Pos, pos: p.pos, OnError: OnErrorClose, counts: new(Counts)}
}

// limits gives the shadow of a plugin the limits of it, whatever order they were
// written in.
func (p *Plugin) limits() {
	if s := p.shadow; s != nil {
		s.Fuel, s.Pages, s.Reads, s.watch = p.Fuel, p.Pages, p.Reads, p.watch
	}
}

// follow configures the matcher of the shadow that stands behind a matcher.
func (m *Matcher) follow(b host.Builder, n *sdk.Node) error {
	p := m.plugin.shadow
	who, err := p.find(m.module.matchers[m.export].name)
	if err != nil {
		return fmt.Errorf("the shadow of %s, %s: %w", m.plugin.Name, p.Path, err)
	}
	if _, err := matcher(b, who, n); err != nil {
		return err
	}
	m.shadow = who
	return nil
}

// inWords is an outcome in words: facts are cut.
func inWords(o *record.Outcome) string {
	if o.Error != "" {
		return o.Error + ": " + o.Text
	}
	const most = 64 // bytes of a value
	text := answerText(o.Answer)
	for _, f := range o.Facts {
		text += fmt.Sprintf(" %s=%q", f.Name, f.Value[:min(len(f.Value), most)])
	}
	return text
}

// answerText is what match returned, in words.
func answerText(answer int32) string {
	v := sdk.Verdict(answer)
	if v > sdk.Yes {
		return fmt.Sprintf("yes %d", answer)
	}
	return v.String()
}
