// Package clock matches connections by the time of day at which they were accepted. It
// needs no bytes.
//
//	@office clock 08:00 18:00 Europe/Berlin
//	@late   clock after 21:00:00
//	@early  clock before 05:00 +02
//	@night  not clock 06:00 22:00
//
// A time zone is a name of the IANA database, Local for that of the machine, or an offset
// east of Greenwich like +02, -03:30 or +12:34:56; without one it is UTC. The clock on
// the wall of that zone counts: where clocks are put forward or back, a range is an hour
// shorter or longer on that day, or holds an hour twice.
//
// BEFORE 00:00 is midnight at the end of the day. A range whose end comes before its
// beginning is taken the other way round, as caddy-l4 does, and validate says so: the
// night is what "not clock" of the day matches.
//
// The time zones come from the machine; a program that runs where there may be none
// imports time/tzdata.
package clock

import (
	"strconv"
	"strings"
	"time"

	"dwaar.dev/dwaar/sdk"
)

const day = 24 * time.Hour

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name: "clock",
		Doc:  "The time of day at which the client connected, from AFTER up to BEFORE; with a word in front only one of them",
		Args: []sdk.Arg{
			{Name: "AFTER", Shape: sdk.Time, Words: []string{"after", "from", "before", "till", "to", "until"}, Min: 1, Max: 1},
			sdk.One("BEFORE", sdk.Time),
			sdk.Maybe("TZ", sdk.Free),
		},
	}
}

// Matcher matches a time of day. Make one with [New].
type Matcher struct {
	after, before time.Duration // since midnight; before is not in the range
	zone          *time.Location
	warnings      sdk.Errors
}

// New makes the matcher of a node that fits [Spec].
func New(n *sdk.Node) (sdk.Matcher, error) {
	m := &Matcher{zone: time.UTC}
	var faults sdk.Errors
	faults.Add(n.Pos, m.setRange(n))
	if len(n.Args) > 2 {
		zone, err := parseZone(n.Args[2].Text)
		if err != nil {
			faults = append(faults, sdk.Errorf(n.Args[2].Pos,
				"clock: %q is no time zone: write a name like Europe/Berlin, Local, or an offset like +02 or -03:30", n.Args[2].Text))
		}
		m.zone = zone
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// setRange reads the first two arguments.
func (m *Matcher) setRange(n *sdk.Node) error {
	first, second := n.Args[0], n.Args[1]
	t, err := sdk.ParseTime(second.Text)
	if err != nil {
		return err
	}
	switch strings.ToLower(first.Text) {
	case "after", "from":
		m.after, m.before = t, day
		return nil
	case "before", "till", "to", "until":
		m.after, m.before = 0, endOf(t)
		return nil
	}
	if m.after, err = sdk.ParseTime(first.Text); err != nil {
		return err
	}
	m.before = endOf(t)
	switch {
	case m.after == m.before:
		return sdk.Errorf(second.Pos, "clock %s %s is no time at all: the second time is not in the range", first.Text, second.Text)
	case m.after > m.before:
		m.after, m.before = m.before, m.after
		m.warnings = sdk.Errors{sdk.Errorf(n.Pos, "clock %s %s is taken as clock %s %s: for the time around midnight write not clock %s %s",
			first.Text, second.Text, second.Text, first.Text, second.Text, first.Text)}
	}
	return nil
}

// endOf returns the end of a range: midnight there is that at the end of the day.
func endOf(t time.Duration) time.Duration {
	if t == 0 {
		return day
	}
	return t
}

// Early implements [sdk.Early].
func (m *Matcher) Early() sdk.Known { return sdk.KnownTime }

// Warnings implements [sdk.Warner].
func (m *Matcher) Warnings() sdk.Errors { return m.warnings }

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	hour, minute, second := f.Accepted.In(m.zone).Clock()
	now := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	if m.after <= now && now < m.before {
		return sdk.Yes, nil
	}
	return sdk.No, nil
}

// parseZone reads a time zone.
func parseZone(text string) (*time.Location, error) {
	if offset, ok := parseOffset(text); ok {
		return time.FixedZone(text, offset), nil
	}
	if text == "" {
		return nil, strconv.ErrSyntax // time.LoadLocation takes it for UTC
	}
	return time.LoadLocation(text)
}

// parseOffset reads +HH, +HH:MM or +HH:MM:SS, or the same with -, in seconds.
func parseOffset(text string) (seconds int, ok bool) {
	if text == "" || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	units := strings.Split(text[1:], ":")
	if len(units) > 3 {
		return 0, false
	}
	worth, most := 3600, uint64(23)
	for _, u := range units {
		v, err := strconv.ParseUint(u, 10, 8)
		if err != nil || len(u) != 2 || v > most {
			return 0, false
		}
		seconds += int(v) * worth
		worth, most = worth/60, 59
	}
	if text[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}
