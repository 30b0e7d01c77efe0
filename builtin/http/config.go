package http

import (
	"slices"
	"strings"

	"dwaar.dev/dwaar/builtin/internal/captures"
	"dwaar.dev/dwaar/sdk"
)

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name: "http",
		Doc: "An HTTP/1.x request, or HTTP/2 without TLS, that fulfils all options. " +
			"Only the first request of a connection is seen: this routes, it does not guard. " +
			"Over HTTP/2 clients of gRPC may send method, path and header fields only after they have heard the server, so that options that read these are unknown of them at matching_timeout",
		Block: &sdk.Block{Options: sdk.Specs(options())},
		Facts: []sdk.Fact{
			{Key: "host", Doc: "the host, of matchers that read the header fields: host, header, header_regexp, protocol grpc", Asked: true},
			{Key: "method", Doc: "the method; of HTTP/2 with any option beside protocol"},
			{Key: "path", Doc: "the path, decoded, up to 1 KiB; of HTTP/2 with any option beside protocol"},
		},
	}
}

// options are the lines of the matcher's block. Those without a setter are the graph's.
func options() []sdk.Option[config] {
	return append(requestOptions(), fieldOptions()...)
}

// requestOptions are those that look at the host and the request line.
func requestOptions() []sdk.Option[config] {
	return []sdk.Option[config]{
		sdk.Line(sdk.Spec{
			Name: "host", Many: true, Doc: "One of these hosts; *.example.com is exactly one label more, * any host. Makes http.host known, as header, header_regexp and protocol grpc do. Clients of gRPC may name it only after they have heard the server",
			Args: []sdk.Arg{sdk.Some("HOST", sdk.Host)},
		}, (*config).setHost),
		sdk.Line(sdk.Spec{
			Name: "method", Many: true, Doc: "One of these methods",
			Args: []sdk.Arg{sdk.Some("METHOD", sdk.Free)},
		}, (*config).setMethod),
		sdk.Line(sdk.Spec{
			Name: "path", Many: true, Doc: "One of these paths: exact, /prefix*, *suffix, *part* or /a/*/b; letters in any case",
			Args: []sdk.Arg{sdk.Some("PATH", sdk.Free)},
		}, (*config).setPath),
		sdk.Line(sdk.Spec{
			Name: "path_regexp", Doc: "The path contains a match; groups become http.regexp.NAME.GROUP",
			Args: []sdk.Arg{sdk.Maybe("NAME", sdk.Free), sdk.One("PATTERN", sdk.Regexp)},
		}, (*config).setPathRegexp),
		sdk.Line(sdk.Spec{
			Name: "query", Many: true, Doc: "The query has these parameters; values of one key are alternatives, * is any",
			Args: []sdk.Arg{sdk.Some("KEY=VALUE", sdk.Free)},
		}, (*config).setQuery),
		sdk.Line(sdk.Spec{
			Name: "protocol", Doc: "One of these versions, 1.1+ and later; http is without, https with TLS terminated here, grpc by its content type, which clients of gRPC may send only after they have heard the server",
			Args: []sdk.Arg{{Name: "PROTOCOL", Shape: sdk.Enum, Words: protocolNames(), Min: 1, Max: -1}},
		}, (*config).setProtocol),
	}
}

// fieldOptions are those that look at header fields, and those of the graph.
func fieldOptions() []sdk.Option[config] {
	cidrs := []sdk.Arg{sdk.Some("CIDR", sdk.CIDR)}
	return []sdk.Option[config]{
		sdk.Line(sdk.Spec{
			Name: "header", Many: true, Doc: "The field is there, with one of these values if any are given: exact, prefix*, *suffix, *part*; !FIELD: it is not there",
			Args: []sdk.Arg{sdk.One("FIELD", sdk.Free), sdk.List("VALUE", sdk.Free)},
		}, (*config).setHeader),
		sdk.Line(sdk.Spec{
			Name: "header_regexp", Many: true, Doc: "The field contains a match; groups become http.regexp.NAME.GROUP",
			Args: []sdk.Arg{sdk.Maybe("NAME", sdk.Free), sdk.One("FIELD", sdk.Free), sdk.One("PATTERN", sdk.Regexp)},
		}, (*config).setHeaderRegexp),
		{Spec: sdk.Spec{Name: "remote_ip", Many: true, Args: cidrs, Hoist: true, Doc: "The client's address, as the matcher remote_ip"}},
		{Spec: sdk.Spec{Name: "local_ip", Many: true, Args: cidrs, Hoist: true, Doc: "The address it connected to, as the matcher local_ip"}},
		{Spec: sdk.Spec{Name: "not", Many: true, Negates: true, Need: true, Block: &sdk.Block{}, Doc: "The negation of an option, or of a block of them that would all hold"}},
	}
}

// New makes the matcher of a node that fits [Spec]. Its hoisted and negated
// options are the graph's.
func New(n *sdk.Node) (sdk.Matcher, error) {
	var c config
	if err := sdk.Apply(&c, n.Block, options()); err != nil {
		return nil, err
	}
	m := c.matcher()
	m.name = n.Name
	if count := unasked + len(m.Sets()); count > maxFacts {
		return nil, sdk.Errorf(n.Pos, "http would make %d facts known, more than %d: write (?:…) for groups that nobody reads", count, maxFacts)
	}
	return m, nil
}

const (
	maxFacts = 16 // that a matcher may set, native or not
	unasked  = 2  // that every matcher sets, method and path
)

// config is what the options say.
type config struct {
	hosts     *hosts
	methods   methods
	paths     paths
	path      *captures.Pattern
	headers   []*header
	regexps   []headerRegexp
	queries   queries
	protocols protocols
}

func (c *config) setProtocol(o *sdk.Node) error {
	for _, w := range o.Args {
		c.protocols = append(c.protocols, protocolNamed(w.Text))
	}
	return nil
}

// matcher returns the matcher; the conditions that read most come last.
func (c *config) matcher() *Matcher {
	m := &Matcher{first: tokenBytes(), methods: c.methods, protocols: c.protocols, hosts: c.hosts}
	add := func(cond condition) {
		m.conditions = append(m.conditions, cond)
		m.wait = max(m.wait, cond.after())
	}
	if c.protocols != nil {
		add(c.protocols)
	}
	if c.methods != nil {
		add(c.methods)
	}
	if c.hosts != nil {
		add(c.hosts)
	}
	if c.paths != nil {
		add(c.paths)
	}
	for _, h := range c.headers {
		add(h)
	}
	if c.queries != nil {
		add(c.queries)
	}
	if c.path != nil {
		add(pathRegexp{c.path})
	}
	for _, h := range c.regexps {
		add(h)
	}
	return m
}

func (c *config) setHost(o *sdk.Node) error {
	var faults sdk.Errors
	if c.hosts == nil {
		c.hosts = &hosts{names: map[string]bool{}}
	}
	for _, w := range o.Args {
		name := strings.TrimSuffix(strings.ToLower(w.Text), ".")
		switch {
		case strings.Contains(name, "{"):
			faults = append(faults, sdk.Errorf(w.Pos, "host %s: a placeholder cannot stand here: write the names themselves", w.Text))
		case name == "*":
			c.hosts.any = true
		case strings.HasPrefix(name, "*."):
			c.hosts.wild = append(c.hosts.wild, name[1:])
		default:
			var dst [maxHost]byte
			if n, ok := hostname(&dst, []byte(name)); !ok || string(dst[:n]) != name {
				faults = append(faults, sdk.Errorf(w.Pos, "host %s: no request names such a host: write labels with one dot between them", w.Text))
			}
			c.hosts.names[name] = true
		}
		c.hosts.list = append(c.hosts.list, name)
	}
	return faults.Err()
}

func (c *config) setMethod(o *sdk.Node) error {
	var faults sdk.Errors
	registered := []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
	for _, w := range o.Args {
		upper := strings.ToUpper(w.Text)
		switch {
		case !isName([]byte(w.Text)) || len(w.Text) > maxMethod:
			faults = append(faults, sdk.Errorf(w.Pos, "method %q: write a method like GET, of at most %d letters", w.Text, maxMethod))
		case upper != w.Text && slices.Contains(registered, upper):
			faults = append(faults, sdk.Errorf(w.Pos, "method %s: methods are upper case: write %s", w.Text, upper))
		}
		c.methods = append(c.methods, w.Text)
	}
	return faults.Err()
}

func (c *config) setPath(o *sdk.Node) error {
	var faults sdk.Errors
	for _, w := range o.Args {
		if w.Text == "" || w.Text[0] != '/' && w.Text[0] != '*' {
			faults = append(faults, sdk.Errorf(w.Pos, "path %q: a path begins with a slash: write /%s, or *%s for a suffix", w.Text, w.Text, w.Text))
			continue
		}
		c.paths = append(c.paths, parsePath(w.Text))
	}
	return faults.Err()
}

func (c *config) setPathRegexp(o *sdk.Node) error {
	name, rest := optionalName(o.Args, 1)
	p, err := captures.Compile("regexp.", name, rest[0])
	c.path = p
	return err
}

// header reads one line. Lines with one field are alternatives, as in a Caddyfile.
func (c *config) setHeader(o *sdk.Node) error {
	field, values := o.Args[0], o.Args[1:]
	name, absent := strings.CutPrefix(field.Text, "!")
	if err := checkField(field, name); err != nil {
		return err
	}
	if absent && len(values) > 0 {
		return sdk.Errorf(values[0].Pos, "header %s: a field that is not there has no value: write \"not header %s %s\" for another value", field.Text, name, values[0].Text)
	}
	name = strings.ToLower(name)
	at := slices.IndexFunc(c.headers, func(h *header) bool { return h.name == name })
	if at >= 0 && (absent || len(values) == 0 || len(c.headers[at].values) == 0) {
		return sdk.Errorf(o.Pos, "header %s: another line says something else of this field: write one line, or several with values", field.Text)
	}
	if at < 0 {
		at = len(c.headers)
		c.headers = append(c.headers, &header{name: name, absent: absent})
	}
	for _, w := range values {
		c.headers[at].values = append(c.headers[at].values, parsePattern(w.Text))
	}
	return nil
}

// checkField checks the name of a header field.
func checkField(w sdk.Word, name string) error {
	switch {
	case !isName([]byte(name)):
		return sdk.Errorf(w.Pos, "%q is no name of a header field: write one like User-Agent", name)
	case strings.EqualFold(name, "host"):
		return sdk.Errorf(w.Pos, "the header field Host is one of several places a request names its host in: write host")
	}
	return nil
}

func (c *config) setHeaderRegexp(o *sdk.Node) error {
	name, rest := optionalName(o.Args, 2)
	if err := checkField(rest[0], rest[0].Text); err != nil {
		return err
	}
	p, err := captures.Compile("regexp.", name, rest[1])
	c.regexps = append(c.regexps, headerRegexp{strings.ToLower(rest[0].Text), p})
	return err
}

// optionalName splits [NAME] and n required words.
func optionalName(args []sdk.Word, n int) (name sdk.Word, rest []sdk.Word) {
	if len(args) > n {
		return args[0], args[1:]
	}
	return sdk.Word{}, args
}

func (c *config) setQuery(o *sdk.Node) error {
	var faults sdk.Errors
	for _, w := range o.Args {
		key, value, ok := strings.Cut(w.Text, "=")
		if !ok || key == "" {
			faults = append(faults, sdk.Errorf(w.Pos, "query %q: write KEY=VALUE, or KEY=* for any value", w.Text))
			continue
		}
		at := slices.IndexFunc(c.queries, func(q query) bool { return q.key == key })
		if at < 0 {
			at = len(c.queries)
			c.queries = append(c.queries, query{key: key})
		}
		c.queries[at].values = append(c.queries[at].values, value)
	}
	return faults.Err()
}
