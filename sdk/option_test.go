package sdk_test

import (
	"net/netip"
	"reflect"
	"regexp"
	"testing"
	"time"

	"dwaar.dev/dwaar/sdk"
)

type settings struct {
	on      bool
	name    string
	words   []string
	count   int
	wait    time.Duration
	idle    time.Duration
	size    int64
	from    []netip.Prefix
	pattern *regexp.Regexp
}

func table() []sdk.Option[settings] {
	return []sdk.Option[settings]{
		sdk.Line(sdk.Spec{Name: "on"}, sdk.SetFlag(func(s *settings) *bool { return &s.on })),
		sdk.Line(sdk.Spec{Name: "name", Aliases: []string{"called"}}, sdk.SetText(func(s *settings) *string { return &s.name })),
		sdk.Line(sdk.Spec{Name: "words"}, sdk.AddTexts(func(s *settings) *[]string { return &s.words })),
		sdk.Line(sdk.Spec{Name: "count"}, sdk.SetCount(2, func(s *settings) *int { return &s.count })),
		sdk.Line(sdk.Spec{Name: "wait"}, sdk.SetDuration(func(s *settings) *time.Duration { return &s.wait })),
		sdk.Line(sdk.Spec{Name: "idle"}, sdk.SetLimit(func(s *settings) *time.Duration { return &s.idle })),
		sdk.Line(sdk.Spec{Name: "size"}, sdk.SetSize(func(s *settings) *int64 { return &s.size })),
		sdk.Line(sdk.Spec{Name: "from"}, sdk.AddPrefixes(func(s *settings) *[]netip.Prefix { return &s.from })),
		sdk.Line(sdk.Spec{Name: "pattern"}, sdk.SetRegexp(func(s *settings) **regexp.Regexp { return &s.pattern })),
		sdk.Line[settings](sdk.Spec{Name: "elsewhere", Hoist: true}, nil),
	}
}

func line(name string, args ...string) sdk.Node {
	n := sdk.Node{Name: name, Pos: sdk.Pos{Line: 1, Col: 1}}
	for i, a := range args {
		n.Args = append(n.Args, sdk.Word{Text: a, Pos: sdk.Pos{Line: 1, Col: 10 * (i + 1)}})
	}
	return n
}

func TestATableSetsWhatItsLinesSay(t *testing.T) {
	got := settings{idle: time.Hour}
	err := sdk.Apply(&got, []sdk.Node{
		line("on"), line("called", "x"), line("words", "a", "b"), line("words", "c"), line("count", "2"),
		line("wait", "5m"), line("idle", "off"), line("size", "2KiB"), line("from", "10.1.2.3/8", "::1"), line("pattern", "name", "^a"),
		line("elsewhere", "1"),
	}, table())
	if err != nil {
		t.Fatal(err)
	}
	want := settings{
		on: true, name: "x", words: []string{"a", "b", "c"}, count: 2, wait: 5 * time.Minute, size: 2048,
		from:    []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		pattern: got.pattern,
	}
	if !reflect.DeepEqual(got, want) || got.pattern.String() != "^a" {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestATableTellsAllThatIsWrong(t *testing.T) {
	var s settings
	err := sdk.Apply(&s, []sdk.Node{
		line("count", "1"), line("wait", "0s"), line("idle", "0s"), line("size", "0"), line("from", "1.2.3.4", "x", "y"), line("pattern", "("),
	}, table())
	const want = `1:10: count must be at least 2
1:10: size must be more than 0
1:10: missing closing ): ` + "`(`" + `
1:10: wait must be longer than 0s
1:10: idle must be longer than 0s: write off for no limit
1:20: must be an address or a CIDR range like 10.0.0.0/8
1:30: must be an address or a CIDR range like 10.0.0.0/8`
	if err == nil || !sameLines(err.Error(), want) {
		t.Errorf("got\n%v\nwant, in any order\n%s", err, want)
	}
}

func TestSpecsAreThoseOfTheTable(t *testing.T) {
	specs := sdk.Specs(table())
	if len(specs) != len(table()) || sdk.Find(specs, "called") != &specs[1] || !specs[len(specs)-1].Hoist {
		t.Errorf("specs %+v", specs)
	}
	if sdk.Find(specs, "nothing") != nil {
		t.Error("found a line that is not there")
	}
	off := sdk.OrOff(sdk.One("D", sdk.Duration))
	if err := off.Fits("OFF"); err != nil {
		t.Error(err)
	}
}

func sameLines(a, b string) bool {
	count := map[string]int{}
	for _, l := range regexp.MustCompile("\n").Split(a, -1) {
		count[l]++
	}
	for _, l := range regexp.MustCompile("\n").Split(b, -1) {
		count[l]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}
