package mapfile

import (
	"slices"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// directive is what the declaration, the matcher and the handler are called, and the first
// part of the facts.
const directive = "map"

// closes is the word of default for a connection without a value.
const closes = "close"

// GlobalSpec describes the declaration.
func GlobalSpec() sdk.Spec {
	return sdk.Spec{
		Name: directive, Many: true, Need: true,
		Doc:   "Declares a map: FILE has lines KEY VALUE, and the matcher and the handler map NAME look a fact up in it. The file is followed as it changes",
		Args:  []sdk.Arg{sdk.One("NAME", sdk.Ident), sdk.One("FILE", sdk.Free)},
		Block: &sdk.Block{Options: sdk.Specs(options())},
	}
}

// MatcherSpec describes the matcher.
func MatcherSpec() sdk.Spec {
	return sdk.Spec{
		Name: directive,
		Doc:  "What the map NAME looks up leads to a value, or to one of these; it becomes {map.NAME}",
		Args: []sdk.Arg{sdk.One("NAME", sdk.Ident), sdk.List("VALUE", sdk.Free)},
	}
}

// HandlerSpec describes the handler.
func HandlerSpec() sdk.Spec {
	return sdk.Spec{
		Name: directive,
		Doc:  "Gives the connection {map.NAME}: the value that the map NAME has for it, or the map's default",
		Args: []sdk.Arg{sdk.One("NAME", sdk.Ident)},
	}
}

// settings are what the block of a declaration says.
type settings struct {
	from     *host.Template
	at       sdk.Pos // of from
	keys     kind
	fallback []byte // the default; nil: close
}

func options() []sdk.Option[settings] {
	return []sdk.Option[settings]{
		sdk.Line(sdk.Spec{
			Name: "from", Doc: "What is looked up: a placeholder, or a text with several",
			Args: []sdk.Arg{sdk.One("{PLACEHOLDER}", sdk.Free)},
		}, (*settings).setFrom),
		sdk.Line(sdk.Spec{
			Name: "keys", Default: names.String(),
			Doc:  "What the keys of the file are. names: host names in any case, *.example.com for exactly one label. exact: any words, each byte as it is. prefixes: beginnings, of which the longest counts. addresses: addresses and ranges, of which the smallest counts",
			Args: []sdk.Arg{sdk.Choice("KIND", kindNames()...)},
		}, (*settings).setKind),
		sdk.Line(sdk.Spec{
			Name: "default", Default: closes,
			Doc:  "The value of what the file does not name. close: the handler closes the connection, and the matcher does not match",
			Args: []sdk.Arg{{Name: "VALUE", Shape: sdk.Free, Words: []string{closes}, Min: 1, Max: 1}},
		}, (*settings).setDefault),
	}
}

func (s *settings) setFrom(n *sdk.Node) error {
	w := n.Args[0]
	t, err := host.ParseTemplate(w)
	if err == nil && len(t.Facts()) == 0 {
		err = sdk.Errorf(w.Pos, "%q is the same for every connection: write a placeholder like {tls.server_name}", w.Text)
	}
	s.from, s.at = &t, w.Pos
	return err
}

func (s *settings) setKind(n *sdk.Node) error {
	for i, name := range kindNames() {
		if strings.EqualFold(name, n.Args[0].Text) {
			s.keys = kind(i)
		}
	}
	return nil
}

func (s *settings) setDefault(n *sdk.Node) error {
	w := n.Args[0]
	if !w.Quoted && strings.EqualFold(w.Text, closes) {
		return nil
	}
	if err := checkValue(w.Text); err != nil {
		return sdk.Errorf(w.Pos, "default: %v", err)
	}
	s.fallback = []byte(w.Text)
	return nil
}

// declared is a map with what its declaration says. Its users are no actors: the map is, and
// runs once for all of them.
type declared struct {
	table *Map
	settings
}

// declare makes the map of a declaration that fits GlobalSpec, or finds the one that an
// earlier configuration has.
func declare(b host.Builder, n *sdk.Node) (declared, error) {
	name, file := n.Args[0].Text, n.Args[1].Text
	var d declared
	var errs sdk.Errors
	errs.Add(n.Pos, sdk.Apply(&d.settings, n.Block, options()))
	if n.Find("from") == nil {
		errs.Add(n.Pos, sdk.Errorf(n.Pos, "map %s does not say what is looked up: write from {tls.server_name} in its block", name))
	}
	if err := errs.Err(); err != nil {
		return d, err
	}
	key := strings.Join([]string{directive, name, d.keys.String(), file}, " ")
	m, err := host.Share(b, key, func() (*Map, error) { return open(name, file, d.keys) })
	if err != nil {
		if _, ok := err.(sdk.Errors); !ok {
			err = sdk.Errorf(n.Args[1].Pos, "map %s: %v", name, err)
		}
		return d, err
	}
	d.table = m
	return d, nil
}

// Check looks at all declarations, whether or not anything uses them. It is the check of
// the global directive.
func Check(b host.Builder, ns []*sdk.Node) error {
	var errs sdk.Errors
	for _, n := range b.Global("plugin") {
		if len(n.Args) > 0 && n.Args[0].Text == directive {
			errs.Add(n.Pos, sdk.Errorf(n.Args[0].Pos, "a plugin called map would hide the matcher of that name, which this configuration declares maps for: give the plugin another name"))
		}
	}
	first := map[string]sdk.Pos{}
	for _, n := range ns {
		name := n.Args[0].Text
		if at, ok := first[name]; ok {
			errs.Add(n.Pos, sdk.Errorf(n.Pos, "map %s is declared at %s already: give this one another name", name, at))
			continue
		}
		first[name] = n.Pos
		d, err := declare(b, n)
		errs.Add(n.Pos, err)
		if err != nil {
			continue
		}
		if text := d.table.outOfDate(); text != "" {
			b.Warnf(n.Args[1].Pos, "%s", text)
		}
	}
	return errs.Err()
}

// find returns the declaration of a map that a matcher or handler names.
func find(b host.Builder, n *sdk.Node) (declared, error) {
	w := n.Args[0]
	var known []string
	for _, g := range b.Global(directive) {
		if len(g.Args) < 2 {
			continue
		}
		if g.Args[0].Text == w.Text {
			return declare(b, g)
		}
		if !slices.Contains(known, g.Args[0].Text) {
			known = append(known, g.Args[0].Text)
		}
	}
	if len(known) == 0 {
		return declared{}, sdk.Errorf(w.Pos, "map %s is not declared: write map %s FILE { from {tls.server_name} } into the block without a name at the top of the file", w.Text, w.Text)
	}
	return declared{}, sdk.Errorf(w.Pos, "map %s is not declared: declared are %s", w.Text, strings.Join(known, ", "))
}
