package proxy

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/sdk"
)

// settings are the directive as it was written, each value valid by itself.
type settings struct {
	upstreams []entry
	policy    policy
	width     sdk.Word // the number behind lb_policy, if any
	tryFor    limit
	tryEvery  limit
	maxFails  int
	failFor   limit
	crowded   int
	check     checkSettings

	connect, healthTimeout    limit
	idle, halfClose, lifetime limit
	header                    version
	guard                     guard
}

// limit is a duration with the place where it was written, if it was. 0 is off.
type limit struct {
	time.Duration
	pos sdk.Pos
}

// The defaults of what has no default in another option.
const (
	defaultTryEvery  = 250 * time.Millisecond
	defaultMaxFails  = 3
	defaultFailFor   = 10 * time.Second
	defaultConnect   = 10 * time.Second
	defaultHandshake = 10 * time.Second
	defaultIdle      = time.Hour
	defaultHalfClose = time.Minute
	defaultEvery     = 30 * time.Second
	longestCheck     = 5 * time.Second // without health_timeout
)

func defaults() settings {
	return settings{
		tryEvery:  limit{Duration: defaultTryEvery},
		maxFails:  defaultMaxFails,
		failFor:   limit{Duration: defaultFailFor},
		idle:      limit{Duration: defaultIdle},
		halfClose: limit{Duration: defaultHalfClose},
	}
}

// read returns what a node says.
func read(n *sdk.Node, place placing) (settings, error) {
	s := defaults()
	var errs sdk.Errors
	for _, w := range n.Args {
		s.upstreams = append(s.upstreams, newUpstream(w.Pos, w))
	}
	if len(n.Block) > 0 { // of many routes most have no options, and the table is long
		errs.Add(n.Pos, sdk.Apply(&s, n.Block, options()))
	}
	s.arrange(place)
	if len(s.upstreams) == 0 {
		errs.Add(n.Pos, sdk.Errorf(n.Pos, "proxy has no upstream: write proxy HOST:PORT, or to HOST:PORT in its block"))
	}
	if len(s.upstreams) > maxUpstreams {
		errs.Add(n.Pos, sdk.Errorf(n.Pos, "proxy has %d upstreams: %d is the most", len(s.upstreams), maxUpstreams))
	}
	errs.Add(n.Pos, s.checkBalance(n))
	errs.Add(n.Pos, s.checkChecks(n))
	return s, errs.Err()
}

// connectTimeout is the limit of one attempt.
func (s *settings) connectTimeout() time.Duration {
	return cmp.Or(s.connect.Duration, s.healthTimeout.Duration, defaultConnect)
}

func (s *settings) relay() relay.Options {
	return relay.Options{Idle: s.idle.Duration, HalfClose: s.halfClose.Duration, Lifetime: s.lifetime.Duration}
}

func (s *settings) setTo(n *sdk.Node) error {
	for _, w := range n.Args {
		s.upstreams = append(s.upstreams, newUpstream(w.Pos, w))
	}
	return nil
}

func (s *settings) setHeader(n *sdk.Node) error {
	s.header = v1
	if strings.EqualFold(n.Args[0].Text, "v2") {
		s.header = v2
	}
	return nil
}

func (s *settings) setAllow(n *sdk.Node) error {
	var errs sdk.Errors
	for _, w := range n.Args {
		if prefixes, err := sdk.ParsePrefixes(w.Text); err == nil && len(prefixes) > 0 {
			s.guard.prefixes = append(s.guard.prefixes, prefixes...)
			continue
		}
		name := strings.TrimSuffix(strings.ToLower(w.Text), ".")
		if !isName(strings.TrimPrefix(name, "*.")) || looksLikeAddress(name) {
			errs.Add(w.Pos, sdk.Errorf(w.Pos, "%q is neither an address range nor a host name: write 10.0.0.0/8, app.example.com or *.example.com", w.Text))
			continue
		}
		s.guard.names = append(s.guard.names, name)
	}
	return errs.Err()
}

// looksLikeAddress reports whether a name can only be an address with a mistake: its
// last label is a number, which no top-level domain is.
func looksLikeAddress(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	return strings.Trim(last, "0123456789") == ""
}

func (s *settings) setPolicy(n *sdk.Node) error {
	s.policy = policy(slices.Index(policyNames(), strings.ToLower(n.Args[0].Text)))
	s.width = sdk.Word{}
	switch {
	case len(n.Args) > 1 && s.policy != randomChoose:
		return sdk.Errorf(n.Args[1].Pos, "lb_policy %s takes no number: only random_choose does", n.Args[0].Text)
	case len(n.Args) > 1:
		s.width = n.Args[1]
	}
	return nil
}

func (s *settings) setMaxFails(n *sdk.Node) error {
	if sdk.IsOff(n.Args[0]) {
		s.maxFails = 0
		return nil
	}
	var err error
	s.maxFails, err = sdk.ParseInt(n.Args[0].Text)
	return err
}

// checkBalance looks at what the policy and the upstreams say of each other.
func (s *settings) checkBalance(n *sdk.Node) error {
	var errs sdk.Errors
	for i := range s.upstreams {
		u := &s.upstreams[i]
		if u.weight.Text != "" && s.policy != weightedRoundRobin {
			errs.Add(u.pos, sdk.Errorf(u.weight.Pos, "weight means nothing to lb_policy %s: write lb_policy weighted_round_robin", policyNames()[s.policy]))
		}
	}
	if len(s.upstreams) > 0 && !slices.ContainsFunc(s.upstreams, func(u entry) bool { return !u.backup }) {
		errs.Add(n.Pos, sdk.Errorf(n.Pos, "every upstream is a backup: one must not be"))
	}
	if w := s.width; w.Text != "" && s.chosenWidth() < 1 {
		errs.Add(w.Pos, sdk.Errorf(w.Pos, "random_choose compares at least 1 upstream, not %s", w.Text))
	}
	return errs.Err()
}

// chosenWidth is how many random_choose compares: 2, unless something else is
// written.
func (s *settings) chosenWidth() int {
	n, err := sdk.ParseInt(s.width.Text)
	if err != nil {
		return 2
	}
	return n
}

// duration sets a limit that may be 0 or off.
func duration[S any](field func(*S) *limit) func(*S, *sdk.Node) error {
	return func(s *S, n *sdk.Node) error {
		w := n.Args[0]
		*field(s) = limit{0, w.Pos}
		if sdk.IsOff(w) {
			return nil
		}
		d, err := sdk.ParseDuration(w.Text)
		field(s).Duration = d
		return err
	}
}

// positive sets a limit that is not 0; if its words allow it, it may be off.
func positive[S any](field func(*S) *limit) func(*S, *sdk.Node) error {
	set := duration(field)
	return func(s *S, n *sdk.Node) error {
		if err := set(s, n); err != nil {
			return err
		}
		if w := n.Args[0]; field(s).Duration == 0 && !sdk.IsOff(w) {
			return sdk.Errorf(w.Pos, "%s must be longer than %s%s", n.Name, w.Text, offHint(n.Name))
		}
		return nil
	}
}

// offHint says how to switch a limit off that can be.
func offHint(name string) string {
	for _, o := range limitOptions() {
		if o.Spec.Name == name && len(o.Spec.Args[0].Words) > 0 {
			return ": write off for no limit"
		}
	}
	return ""
}

// count sets a number from 1.
func count[S any](field func(*S) *int) func(*S, *sdk.Node) error {
	return func(s *S, n *sdk.Node) error {
		v, err := sdk.ParseInt(n.Args[0].Text)
		if err == nil && v == 0 {
			err = sdk.Errorf(n.Args[0].Pos, "%s must be at least 1", n.Name)
		}
		*field(s) = v
		return err
	}
}
