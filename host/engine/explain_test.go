package engine_test

import (
	"strings"
	"testing"

	"dwaar.dev/dwaar/sdk"
)

// keeping is a configuration whose decisions keep so many bytes.
func keeping(size string, lines ...string) string {
	return "{\ndecision_bytes " + size + "\n}\n" + serve(lines...)
}

func TestADecisionIsExplainedWhileItsConfigurationServes(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	lines := []string{"@a first aaa", "@b first bbb", "route @a {", "echo", "}", "route @b {", "relay", "}"}
	g := f.load(keeping("4", lines...))
	f.dial().says("bbbb", "bbbb")
	f.dial().says("bbbbb", "bbbbb")
	all := f.Decisions()
	if len(all) != 2 || string(all[0].Head) != "bbbb" || string(all[1].Head) != "bbbb" || all[0].Generation != 1 {
		t.Fatalf("decisions: %+v", all)
	}
	if len(all[0].Asked) != 2 || all[0].Asked[0].Matcher != "first aaa" || all[0].Asked[0].Answer.String() != "no" || all[0].Facts["first.word"] != "bbb" {
		t.Errorf("asked %v, facts %v", all[0].Asked, all[0].Facts)
	}
	p, err := f.Explain(&all[0])
	if err != nil || p.Name != "@b" || len(p.Routes) != 2 || p.Routes[0].Members[0].Byte != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := f.Explain(&all[1]); err == nil || !strings.Contains(err.Error(), "of its 5 first bytes only 4 were kept") {
		t.Errorf("a part of the head: %+v, %v", p, err)
	}
	f.load(serve(lines...))
	f.active(2)
	for _, c := range f.Conns() {
		f.Kill(c.ID)
	}
	gone(t, g) // an explanation keeps it no longer than it takes
	if p, err := f.Explain(&all[0]); err == nil || !strings.Contains(err.Error(), "a reload has replaced") {
		t.Errorf("after a reload: %+v, %v", p, err)
	}
	f.dial().says("aaa", "aaa")
	all = f.Decisions()
	if p, err := f.Explain(&all[2]); err == nil || !strings.Contains(err.Error(), "write decision_bytes") || all[2].Head != nil {
		t.Errorf("without decision_bytes: %+v, %v, %q", p, err, all[2].Head)
	}
}

// numbered matches the connection with a number.
type numbered string

func (n numbered) Match(f *sdk.Flow) (sdk.Verdict, error) {
	if id, _ := f.Get("conn.id"); id != string(n) {
		return sdk.No, nil
	}
	return sdk.Yes, nil
}

func TestAnExplanationKnowsWhatEveryConnectionKnows(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.registry.Matcher(sdk.Spec{Name: "numbered", Args: []sdk.Arg{sdk.One("N", sdk.Free)}},
		func(n *sdk.Node) (sdk.Matcher, error) { return numbered(n.Args[0].Text), nil })
	f.load(keeping("64", "@a numbered 1", "@b numbered 2", "route @a {", "echo", "}", "route @b {", "echo", "}"))
	for i, want := range []string{"@a", "@b"} {
		f.dial().says("hello", "hello")
		d := f.Decisions()[i]
		if p, err := f.Explain(&d); err != nil || p.Name != want {
			t.Errorf("%+v, %v, want %s", p, err, want)
		}
	}
}
