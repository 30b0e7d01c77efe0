package session

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
)

// The plans of a script, as the type plans reads them.
const (
	blocks = iota
	unavailable
	pauses
	withHeader
	plain
)

const stepsConfig = `layer4 {
	:1 {
		max_head 256
		matching_timeout 5s
		@p prefix pp
		@h prefix hhh
		@f prefix broken
		route @p {
			plan
		}
		route @h {
			handle
		}
		route @f {
			plan
		}
	}
}
`

const denyConfig = `layer4 {
	:1 {
		@d prefix ddd
		deny @d reset
	}
}
`

const openConfig = `layer4 {
	:1 {
		route {
			plan
		}
	}
}
`

// errorsByName are those that inputs name.
func errorsByName() map[string]error {
	return map[string]error{
		"": nil, "EOF": io.EOF, "reset": fmt.Errorf("read: %w", syscall.ECONNRESET), "pipe": syscall.EPIPE,
		"deadline": os.ErrDeadlineExceeded, "other": errors.New("other"), "no-route": host.ErrNoRoute,
		"protocol": host.End(host.ByClient, host.Protocol, errors.New("no")),
	}
}

// say tells the session an input that is written as words: the event, and the text that
// was received, the number of bytes that were sent, or an error.
func (x *trial) say(t *testing.T, words string) Act {
	t.Helper()
	name, arg, _ := strings.Cut(words, " ")
	if name == "kill" {
		x.Kill(host.ByOperator, host.Killed)
		return Act{}
	}
	for e := range events {
		if e.String() != name {
			continue
		}
		in := Input{Event: e}
		switch e {
		case Received, Looked:
			text, what, _ := strings.Cut(arg, "+")
			in.N, in.Err = copy(x.room, text), errorsByName()[what]
			if in.N != len(text) {
				t.Fatalf("there is no room for %q", text)
			}
		case Connected:
			in.N, _ = strconv.Atoi(arg)
		case Relayed:
			in.Result = relay.Result{Up: 10, Down: 7, By: relay.Down}
		default:
			in.Err = errorsByName()[arg]
		}
		return x.tell(in)
	}
	t.Fatalf("there is no event %q", name)
	return Act{}
}

// answer is an act as words, with the state and the bytes that are charged.
func (x *trial) answer(act Act) string {
	words := []string{act.Do.String()}
	switch act.Do {
	case Receive, Look:
		words = append(words, strconv.Itoa(len(act.Bytes)))
	case Dial, Relay:
		words = append(words, strconv.Quote(string(act.Bytes)))
	}
	if !act.Until.IsZero() {
		words = append(words, "until", act.Until.Sub(x.Accepted()).Truncate(time.Millisecond).String())
	}
	if act.Reset {
		words = append(words, "with a reset")
	}
	words = append(words, "("+x.State().String())
	if x.held != 0 {
		words = append(words, "with", strconv.Itoa(x.held))
	}
	if len(x.ended) > 0 {
		o := x.ended[0]
		words = append(words, o.Code.String(), fmt.Sprint(o.Up, o.Down))
		if o.Silent {
			words = append(words, "silent")
		}
		if o.Err != nil {
			words = append(words, o.Err.Error())
		}
	}
	return strings.Join(words, " ") + ")"
}

// A session whose inputs stand on the left answers what stands on the right.
func TestASessionAnswersEachInput(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config string
		plans  []int
		steps  [][2]string
		record Record
		route  string
	}{
		"a head that comes in parts goes out with the connect": {
			stepsConfig,
			[]int{plain},
			[][2]string{
				{"began", "receive 64 until 5s (matching with 2048)"},
				{"waits", "wait until 5s (matching)"},
				{"ready", "receive 64 until 5s (matching with 2048)"},
				{"received p", "receive 63 until 5s (matching with 2048)"},
				{"waits", "wait until 5s (matching with 2048)"},
				{"ready", "receive 63 until 5s (matching with 2048)"},
				{"received pqrst", `dial "ppqrst" (connect with 2048)`},
				{"connected 2", `relay "qrst" (relay)`},
				{"relayed", "nothing (ended client.relay.closed 10 7)"},
			},
			Record{Tries: 1, Matched: 7, Connected: 8},
			"@p Dwaarfile:8:3",
		},
		"a header goes before the head, and is nobody's byte": {
			stepsConfig,
			[]int{withHeader},
			[][2]string{
				{"began", "receive 64 until 5s (matching with 2048)"},
				{"received pp!", `dial "PROXY pp!" (connect with 2048)`},
				{"connected 1000", `relay "" (relay)`},
				{"relayed", "nothing (ended client.relay.closed 4 7)"},
			},
			Record{Tries: 1, Matched: 2, Connected: 3},
			"@p Dwaarfile:8:3",
		},
		"an attempt that fails is followed by another": {
			stepsConfig,
			[]int{plain, withHeader, unavailable},
			[][2]string{
				{"began", "receive 64 until 5s (matching with 2048)"},
				{"received pp", `dial "pp" (connect with 2048)`},
				{"refused other", `dial "PROXY pp" (connect with 2048)`},
				{"refused reset", `close (closing with 2048)`},
				{"closed", "nothing (ended proxy.connect.unavailable 0 0 read: connection reset by peer)"},
			},
			Record{Tries: 2, Matched: 2},
			"@p Dwaarfile:8:3",
		},
		"a plan that blocks lands": {
			stepsConfig,
			[]int{blocks},
			[][2]string{
				{"began", "receive 64 until 5s (matching with 2048)"},
				{"received pp", "land (connect with 2048)"},
				{"returned", "close (closing with 2048)"},
				{"closed", "nothing (ended proxy.connect.closed 0 0)"},
			},
			Record{Matched: 2},
			"@p Dwaarfile:8:3",
		},
		"an attempt that pauses lands, and was not made": {
			stepsConfig,
			[]int{pauses},
			[][2]string{
				{"began", "receive 64 until 5s (matching with 2048)"},
				{"received pp", "land (connect with 2048)"},
				{"returned deadline", "close (closing with 2048)"},
				{"closed", "nothing (ended client.connect.timeout 0 0 i/o timeout)"},
			},
			Record{Matched: 2},
			"@p Dwaarfile:8:3",
		},
		"a route that asks nothing takes what is there": {
			openConfig,
			[]int{plain},
			[][2]string{
				{"began", "look 64 (connect with 2048)"},
				{"looked abc", `dial "abc" (connect with 2048)`},
				{"connected 3", `relay "" (relay)`},
				{"relayed", "nothing (ended client.relay.closed 10 7)"},
			},
			Record{Tries: 1, Matched: 1, Connected: 3},
			"Dwaarfile:3:3",
		},
		"a route that asks nothing holds nothing for a silent client": {
			openConfig,
			[]int{plain},
			[][2]string{
				{"began", "look 64 (connect with 2048)"},
				{"looked", `dial "" (connect)`},
				{"looked", "close (closing)"},
				{"closed", "nothing (ended proxy.connect.panicked 0 0 looked while connect: a defect)"},
			},
			Record{Tries: 1, Matched: 1},
			"Dwaarfile:3:3",
		},
		"a silent client ends at the deadline": {
			stepsConfig, nil,
			[][2]string{
				{"began", "receive 64 until 5s (matching with 2048)"},
				{"waits", "wait until 5s (matching)"},
				{"due", "close (closing)"},
				{"closed", "nothing (ended client.matching.timeout 0 0 " + host.ErrNoRoute.Error() + ")"},
			},
			Record{},
			"",
		},
		"a client that goes without a byte was a probe": {
			stepsConfig, nil,
			[][2]string{
				{"began", "receive 64 until 5s (matching with 2048)"},
				{"received +reset", "close (closing with 2048)"},
				{"closed", "nothing (ended client.matching.probe 0 0 silent)"},
			},
			Record{},
			"",
		},
		"a client that finishes is routed by what it said": {
			stepsConfig, nil,
			[][2]string{
				{"began", "receive 64 until 5s (matching with 2048)"},
				{"received p+EOF", "close (closing with 2048)"},
				{"closed", "nothing (ended proxy.matching.no_route 0 0 " + host.ErrNoRoute.Error() + ")"},
			},
			Record{},
			"",
		},
		"a client that resets hears no answer": {
			stepsConfig, nil,
			[][2]string{
				{"began", "receive 64 until 5s (matching with 2048)"},
				{"received p", "receive 63 until 5s (matching with 2048)"},
				{"received +reset", "close (closing with 2048)"},
				{"closed", "nothing (ended client.matching.reset 0 0 read: connection reset by peer)"},
			},
			Record{},
			"",
		},
		"a deny resets where it says so": {
			denyConfig, nil,
			[][2]string{
				{"began", "receive 64 until 3s (matching with 2048)"},
				{"received ddd", "close with a reset (closing with 2048)"},
				{"closed", "nothing (ended proxy.matching.denied 0 0)"},
			},
			Record{Matched: 2},
			"@d Dwaarfile:4:3",
		},
		"a deny that cannot be told matches": {
			denyConfig, nil,
			[][2]string{
				{"began", "receive 64 until 3s (matching with 2048)"},
				{"due", "close with a reset (closing with 2048)"},
				{"closed", "nothing (ended proxy.matching.undecided 0 0 could not be told from prefix ddd: i/o timeout)"},
			},
			Record{Matched: 2},
			"@d Dwaarfile:4:3",
		},
		"a matcher that fails ends the session": {
			stepsConfig, nil,
			[][2]string{
				{"began", "receive 64 until 5s (matching with 2048)"},
				{"received broken", "close (closing with 2048)"},
				{"closed", "nothing (ended proxy.matching.failed 0 0 matching prefix broken: it is broken)"},
			},
			Record{},
			"",
		},
		"handlers run in a goroutine": {
			stepsConfig, nil,
			[][2]string{
				{"began", "receive 64 until 5s (matching with 2048)"},
				{"received hhhello", "land (handling with 2048)"},
				{"returned other", "close (closing with 2048)"},
				{"returned", "close (closing with 2048)"},
				{"closed", "nothing (ended proxy.handling.failed 0 0 other)"},
				{"closed", "nothing (ended proxy.handling.failed 0 0 other)"},
			},
			Record{Matched: 2},
			"@h Dwaarfile:11:3",
		},
		"a kill ends what comes next": {
			stepsConfig, nil,
			[][2]string{
				{"began", "receive 64 until 5s (matching with 2048)"},
				{"kill", "nothing (matching with 2048)"},
				{"received pp", "close (closing with 2048)"},
				{"closed", "nothing (ended operator.matching.killed 0 0)"},
			},
			Record{},
			"",
		},
		"a kill before the beginning": {
			stepsConfig, nil,
			[][2]string{
				{"kill", "nothing (accept)"},
				{"began", "close (closing)"},
				{"closed", "nothing (ended operator.accept.killed 0 0)"},
			},
			Record{},
			"",
		},
		"the end of its driver drains a session": {
			stepsConfig,
			[]int{plain},
			[][2]string{
				{"began", "receive 64 until 5s (matching with 2048)"},
				{"received pp", `dial "pp" (connect with 2048)`},
				{"killed", "close (closing with 2048)"},
				{"closed", "nothing (ended operator.connect.drained 0 0)"},
			},
			Record{Tries: 1, Matched: 2},
			"@p Dwaarfile:8:3",
		},
		"an event that cannot happen is a defect": {
			stepsConfig, nil,
			[][2]string{
				{"connected 1", "close (closing)"},
				{"closed", "nothing (ended proxy.accept.panicked 0 0 connected while accept: a defect)"},
			},
			Record{},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left := c.plans
			w := worldOf(t, c.config, func() int {
				if len(left) == 0 {
					t.Error("nothing more is planned")
					return unavailable
				}
				next := left[0]
				left = left[1:]
				return next
			})
			x := w.begin(1)
			for i, step := range c.steps {
				if diff := cmp.Diff(step[1], x.answer(x.say(t, step[0]))); diff != "" {
					t.Fatalf("input %d, %s (-want +got):\n%s", i+1, step[0], diff)
				}
			}
			if diff := cmp.Diff(c.record, *x.Record()); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
			if x.Route() != c.route || len(left) > 0 {
				t.Errorf("the route is %q, want %q; %d plans are left", x.Route(), c.route, len(left))
			}
			if err := w.settle(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Every error that ends a session has its code, and no other client is silent than one
// that went away without a byte.
func TestEveryErrorHasItsCode(t *testing.T) {
	t.Parallel()
	by := errorsByName()
	for name, c := range map[string]struct {
		err    error
		heard  bool
		want   string
		silent bool
		bare   bool // the outcome has no error
	}{
		"nil":                    {nil, false, "proxy.matching.closed", false, true},
		"a deadline":             {by["deadline"], false, "client.matching.timeout", false, false},
		"a context's deadline":   {fmt.Errorf("waiting: %w", os.ErrDeadlineExceeded), true, "client.matching.timeout", false, false},
		"a reset":                {by["reset"], true, "client.matching.reset", false, false},
		"a reset without a byte": {by["reset"], false, "client.matching.reset", true, false},
		"a broken pipe":          {by["pipe"], false, "client.matching.reset", true, false},
		"no route":               {by["no-route"], false, "proxy.matching.no_route", false, false},
		"any other":              {by["other"], false, "proxy.matching.failed", false, false},
		"an end with a cause":    {by["protocol"], false, "client.matching.protocol", false, false},
		"a closed client":        {host.End(host.ByClient, host.Closed, nil), false, "client.matching.closed", true, true},
		"a client that spoke":    {host.End(host.ByClient, host.Closed, nil), true, "client.matching.closed", false, true},
		"a closed upstream":      {host.End(host.ByUpstream, host.Closed, nil), false, "upstream.matching.closed", false, true},
		"an end inside another": {
			fmt.Errorf("more: %w", host.End(host.ByUpstream, host.Refused, nil)), false, "upstream.matching.refused", false, false,
		},
	} {
		x := worldOf(t, stepsConfig, nil).begin(1)
		x.say(t, "began")
		if c.heard {
			x.say(t, "received h")
		}
		x.tell(Input{Event: Returned, Err: c.err})
		x.say(t, "closed")
		o := x.ended[0]
		if o.Code.String() != c.want || o.Silent != c.silent || (o.Err == nil) != c.bare {
			t.Errorf("%s: %v, silent %v: %v; want %s, silent %v", name, o.Code, o.Silent, o.Err, c.want, c.silent)
		}
	}
}
