// Package postgres matches the first message of a PostgreSQL client: a
// StartupMessage of protocol 3.x, SSLRequest, GSSENCRequest or CancelRequest.
//
//	@planets postgres {
//		user alice planets_db stars_db
//		user * public_db
//		tls disabled
//	}
//
// A client that wants encryption sends SSLRequest or GSSENCRequest and waits for
// the answer; user, database and application follow encrypted. So user and client
// are Unknown then: a subroute sees them where TLS was terminated before.
// They are Unknown for CancelRequest as well, which names a process and no user.
// A StartupMessage that repeats a parameter with another value is Unknown to the
// options that read it. One of protocol 2, which PostgreSQL 13 was the last to take, is
// Unknown to all.
package postgres

import (
	"slices"

	"dwaar.dev/dwaar/sdk"
)

// maxFact is the longest parameter that becomes a fact.
const maxFact = 1024

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name:  "postgres",
		Doc:   "The first message of a PostgreSQL client",
		Block: &sdk.Block{Options: sdk.Specs(options())},
		Facts: []sdk.Fact{
			{Key: "user", Doc: "the user"},
			{Key: "database", Doc: "the database; the user's name if the client names none"},
			{Key: "application_name", Doc: "what the client calls itself"},
		},
	}
}

// Matcher matches PostgreSQL clients. The zero value matches all of them.
type Matcher struct {
	users   []user
	clients []string
	tls     tls
}

// user is who may use which databases; no databases are all.
type user struct {
	name      string
	databases []string
}

// anyone is the name of the line for users without one.
const anyone = "*"

type tls uint8

const (
	either tls = iota
	enabled
	disabled
)

// options are the lines of the matcher's block.
func options() []sdk.Option[Matcher] {
	return []sdk.Option[Matcher]{
		sdk.Line(sdk.Spec{
			Name: "user", Many: true, Doc: "This user, with one of these databases if any are given; * is any user without a line of its own",
			Args: []sdk.Arg{sdk.One("NAME", sdk.Free), sdk.List("DATABASE", sdk.Free)},
		}, (*Matcher).addUser),
		sdk.Line(sdk.Spec{
			Name: "client", Many: true, Doc: "One of these application names",
			Args: []sdk.Arg{sdk.Some("APPLICATION", sdk.Free)},
		}, sdk.AddTexts(func(m *Matcher) *[]string { return &m.clients })),
		sdk.Line(sdk.Spec{
			Name: "tls", Doc: "The client asks for TLS first, does not, or either", Default: "*",
			Args: []sdk.Arg{sdk.Choice("WHEN", "enabled", "disabled", "*")},
		}, (*Matcher).setTLS),
	}
}

// New makes the matcher of a node that fits [Spec].
func New(n *sdk.Node) (sdk.Matcher, error) {
	m := &Matcher{}
	var faults sdk.Errors
	faults.Add(n.Pos, sdk.Apply(m, n.Block, options()))
	if o := n.Find("tls"); o != nil && m.tls == enabled && (n.Find("user") != nil || n.Find("client") != nil) {
		faults = append(faults, sdk.Errorf(o.Pos, "tls enabled and user or client never hold together, the client sends them encrypted: leave either out"))
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Matcher) setTLS(o *sdk.Node) error {
	m.tls = tlsNamed(o.Args[0].Text)
	return nil
}

// addUser adds a line to what was said of the same user before.
func (m *Matcher) addUser(o *sdk.Node) error {
	name, databases := o.Args[0], o.Texts()[1:]
	if i := slices.Index(databases, anyone); i >= 0 {
		return sdk.Errorf(o.Args[i+1].Pos, "user %s *: a database is called by its name: leave the databases out to allow all", name.Text)
	}
	i := slices.IndexFunc(m.users, func(u user) bool { return u.name == name.Text })
	switch {
	case i < 0:
		m.users = append(m.users, user{name.Text, databases})
	case len(databases) == 0 || len(m.users[i].databases) == 0:
		return sdk.Errorf(name.Pos, "user %s: one line allows all databases and another names some: write one line", name.Text)
	default:
		m.users[i].databases = append(m.users[i].databases, databases...)
	}
	return nil
}

func tlsNamed(word string) tls {
	switch word[0] | 0x20 { // enabled, disabled or *, in any case
	case 'e':
		return enabled
	case 'd':
		return disabled
	}
	return either
}

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	msg := sdk.Parse(f, fill)
	switch msg.kind {
	case partial:
		return sdk.Need(msg.need), nil
	case foreign:
		return sdk.No, nil
	case old:
		return sdk.Unknown, nil
	}
	v := m.judge(f.Head, msg)
	if v == sdk.Yes && msg.kind == startup {
		msg.tell(f)
	}
	return v, nil
}

func (m *Matcher) judge(head []byte, msg *message) sdk.Verdict {
	all := sdk.Answer{Verdict: m.tls.hold(msg.kind)}
	if m.users != nil {
		all = all.And(sdk.Answer{Verdict: m.holdUser(head, msg)})
	}
	if m.clients != nil {
		all = all.And(sdk.Answer{Verdict: m.holdClient(head, msg)})
	}
	return all.Verdict
}

// hold: a client that was refused GSSAPI encryption may still ask for TLS.
func (t tls) hold(k kind) sdk.Verdict {
	switch {
	case t == either:
		return sdk.Yes
	case k == gssRequest:
		return sdk.Unknown
	case (k == sslRequest) == (t == enabled):
		return sdk.Yes
	}
	return sdk.No
}

func (m *Matcher) holdUser(head []byte, msg *message) sdk.Verdict {
	db := msg.db()
	if msg.kind != startup || msg.user.twice {
		return sdk.Unknown
	}
	var found *user
	for i := range m.users {
		u := &m.users[i]
		if u.name == string(msg.user.in(head)) {
			found = u
			break
		}
		if u.name == anyone {
			found = u
		}
	}
	switch {
	case found == nil:
		return sdk.No
	case len(found.databases) == 0:
		return sdk.Yes
	case db.twice:
		return sdk.Unknown
	case slices.Contains(found.databases, string(db.in(head))):
		return sdk.Yes
	}
	return sdk.No
}

func (m *Matcher) holdClient(head []byte, msg *message) sdk.Verdict {
	switch {
	case msg.kind != startup || msg.application.twice:
		return sdk.Unknown
	case msg.application.given && slices.Contains(m.clients, string(msg.application.in(head))):
		return sdk.Yes
	}
	return sdk.No
}

func (m *message) tell(f *sdk.Flow) {
	m.user.tell(f, "user")
	m.db().tell(f, "database")
	m.application.tell(f, "application_name")
}

func (p parameter) tell(f *sdk.Flow, key string) {
	if value := p.in(f.Head); p.given && !p.twice && len(value) <= maxFact {
		f.Set(key, value)
	}
}

// First implements [sdk.Starter]: no message is longer than 10,004 bytes.
func (m *Matcher) First() *[4]uint64 { return &[4]uint64{1} }
