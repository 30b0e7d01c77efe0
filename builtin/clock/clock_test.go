package clock_test

import (
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/builtin/clock"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func node(args string) *sdk.Node {
	n := &sdk.Node{Name: "clock", Pos: sdk.Pos{Line: 1, Col: 1}}
	for i, text := range strings.Fields(args) {
		n.Args = append(n.Args, sdk.Word{Text: text, Pos: sdk.Pos{Line: 1, Col: i + 2}})
	}
	return n
}

func matcher(t testing.TB, args string) sdk.Matcher {
	t.Helper()
	m, err := clock.New(node(args))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func at(t testing.TB, moment string) *sdk.Flow {
	t.Helper()
	f := matchtest.TCP()
	var err error
	if f.Accepted, err = time.Parse(time.RFC3339Nano, moment); err != nil {
		t.Fatal(err)
	}
	return &f
}

func TestTheTimeOfDayDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args, moment string
		want         sdk.Verdict
	}{
		{"08:00:00 18:00:00", "2025-06-05T08:00:00Z", sdk.Yes},
		{"08:00:00 18:00:00", "2025-06-05T07:59:59.999999999Z", sdk.No},
		{"08:00:00 18:00:00", "2025-06-05T17:59:59.999999999Z", sdk.Yes},
		{"08:00:00 18:00:00", "2025-06-05T18:00:00Z", sdk.No},
		{"08:00 18:00:30", "2025-06-05T18:00:29Z", sdk.Yes},
		{"08:00 18:00", "2025-06-05T08:00:00+02:00", sdk.No}, // another zone's words for 06:00Z

		{"after 21:00", "2025-06-05T20:59:59Z", sdk.No},
		{"after 21:00", "2025-06-05T23:59:59Z", sdk.Yes},
		{"from 21:00", "2025-06-05T21:00:00Z", sdk.Yes},
		{"From 21:00", "2025-06-05T00:00:00Z", sdk.No},
		{"after 00:00:00", "2025-06-05T00:00:00Z", sdk.Yes},
		{"before 05:00", "2025-06-05T00:00:00Z", sdk.Yes},
		{"till 05:00", "2025-06-05T04:59:59Z", sdk.Yes},
		{"to 05:00", "2025-06-05T05:00:00Z", sdk.No},
		{"UNTIL 05:00", "2025-06-05T05:00:00Z", sdk.No},
		{"before 00:00:00", "2025-06-05T00:00:00Z", sdk.Yes},
		{"before 00:00:00", "2025-06-05T23:59:59Z", sdk.Yes},
		{"00:00 00:00", "2025-06-05T12:00:00Z", sdk.Yes},
		{"21:00 00:00", "2025-06-05T23:59:59Z", sdk.Yes},

		{"18:00 08:00", "2025-06-05T12:00:00Z", sdk.Yes}, // the other way round
		{"18:00 08:00", "2025-06-05T20:00:00Z", sdk.No},

		{"08:00 18:00 Europe/Berlin", "2025-06-05T06:00:00Z", sdk.Yes}, // summer: +02
		{"08:00 18:00 Europe/Berlin", "2025-01-05T06:00:00Z", sdk.No},  // winter: +01
		{"08:00 20:00 America/Los_Angeles", "2025-06-05T02:59:59Z", sdk.Yes},
		{"02:00 03:00 Europe/Berlin", "2025-03-30T01:00:00Z", sdk.No},  // the hour that is left out
		{"02:00 03:00 Europe/Berlin", "2025-10-26T00:30:00Z", sdk.Yes}, // the hour that comes twice
		{"02:00 03:00 Europe/Berlin", "2025-10-26T01:30:00Z", sdk.Yes},
		{"after 08:00 UTC", "2025-06-05T08:00:00Z", sdk.Yes},

		{"after 23:00 +02", "2025-06-05T21:00:00Z", sdk.Yes},
		{"after 23:00 -03:30", "2025-06-05T02:30:00Z", sdk.Yes},
		{"after 23:00 -03:30", "2025-06-05T02:29:59Z", sdk.No},
		{"before 12:34:57 +12:34:56", "2025-06-05T00:00:00Z", sdk.Yes},
		{"before 12:34:56 +12:34:56", "2025-06-05T00:00:00Z", sdk.No},
	} {
		if r := matchtest.Ask(matcher(t, c.args), at(t, c.moment)); r.Answer.Verdict != c.want {
			t.Errorf("clock %s at %s: %v, want %v", c.args, c.moment, r, c.want)
		}
	}
}

// TestLocalIsTheZoneOfTheMachine asks about an hour around the moment, and about the rest
// of the day.
func TestLocalIsTheZoneOfTheMachine(t *testing.T) {
	t.Parallel()
	f := at(t, "2025-06-05T12:30:00Z")
	noon := time.Date(2025, time.June, 5, 12, 0, 0, 0, time.Local)
	f.Accepted = noon.Add(30 * time.Minute).UTC()
	if r := matchtest.Ask(matcher(t, "12:00 13:00 Local"), f); r.Answer.Verdict != sdk.Yes {
		t.Errorf("half past twelve: %v", r)
	}
	f.Accepted = noon.Add(time.Hour).UTC()
	if r := matchtest.Ask(matcher(t, "12:00 13:00 Local"), f); r.Answer.Verdict != sdk.No {
		t.Errorf("one o'clock: %v", r)
	}
}

func TestAReversedRangeIsQuestioned(t *testing.T) {
	t.Parallel()
	const want = "1:1: clock 22:00 06:00 is taken as clock 06:00 22:00: for the time around midnight write not clock 06:00 22:00"
	if got := matcher(t, "22:00 06:00").(sdk.Warner).Warnings().Error(); got != want {
		t.Errorf("got %s", got)
	}
	if got := matcher(t, "06:00 22:00").(sdk.Warner).Warnings(); got != nil {
		t.Errorf("got %s", got)
	}
}

func TestWrongTimesSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"05:00 05:00:00":      "1:3: clock 05:00 05:00:00 is no time at all: the second time is not in the range",
		"after 05:00 ssh":     `1:4: clock: "ssh" is no time zone: write a name like Europe/Berlin, Local, or an offset like +02 or -03:30`,
		"after 05:00 +2":      `1:4: clock: "+2" is no time zone: write a name like Europe/Berlin, Local, or an offset like +02 or -03:30`,
		"after 05:00 +24":     `1:4: clock: "+24" is no time zone: write a name like Europe/Berlin, Local, or an offset like +02 or -03:30`,
		"after 05:00 -02:60":  `1:4: clock: "-02:60" is no time zone: write a name like Europe/Berlin, Local, or an offset like +02 or -03:30`,
		"after 05:00 +":       `1:4: clock: "+" is no time zone: write a name like Europe/Berlin, Local, or an offset like +02 or -03:30`,
		"after 05:00 ../etc":  `1:4: clock: "../etc" is no time zone: write a name like Europe/Berlin, Local, or an offset like +02 or -03:30`,
		"07:00 07:00 Nowhere": "1:3: clock 07:00 07:00 is no time at all: the second time is not in the range\n" + `1:4: clock: "Nowhere" is no time zone: write a name like Europe/Berlin, Local, or an offset like +02 or -03:30`,
	} {
		if _, err := clock.New(node(args)); err == nil || err.Error() != want {
			t.Errorf("clock %s: got %v, want %s", args, err, want)
		}
	}
	n := node("after 05:00")
	n.Args = append(n.Args, sdk.Word{})
	if _, err := clock.New(n); err == nil {
		t.Error("no zone at all is taken")
	}
}

// TestTheLawsHold has checkClock of the laws in it: the clock of the machine does not
// count.
func TestTheLawsHold(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"12:00 13:00", "before 12:00", "12:00 13:00 Local"} {
		matchtest.Laws(t, matcher(t, args), matchtest.TCP(), nil, []byte("hello"))
		matchtest.Laws(t, matcher(t, args), matchtest.UDP(), []byte("hello"))
	}
}

func TestAskingAllocatesNothing(t *testing.T) {
	matchtest.Allocs(t, matcher(t, "08:00 18:00 Europe/Berlin"), matchtest.TCP(), []byte("hello"))
}

func BenchmarkMatch(b *testing.B) {
	m, f := matcher(b, "08:00 18:00 Europe/Berlin"), matchtest.TCP()
	b.ReportAllocs()
	for b.Loop() {
		if v, _ := m.Match(&f); v != sdk.Yes {
			b.Fatal(v)
		}
	}
}
