package hello

import (
	"slices"
	"strings"

	"dwaar.dev/dwaar/builtin/internal/captures"
	"dwaar.dev/dwaar/builtin/internal/clienthello"
	"dwaar.dev/dwaar/sdk"
)

// Options describes the lines of the block.
func Options() []sdk.Spec { return sdk.Specs(table()) }

// table is the options: what they look like and what they set.
func table() []sdk.Option[settings] {
	ranges := sdk.Some("CIDR", sdk.CIDR)
	return []sdk.Option[settings]{
		sdk.Line(sdk.Spec{
			Name: "sni", Many: true, Doc: "The server name is one of these; *.example.com: exactly one label",
			Args: []sdk.Arg{sdk.Some("NAME", sdk.Host)},
		}, (*settings).addNames),
		sdk.Line(sdk.Spec{
			Name: "sni_regexp", Doc: "The pattern is found in the server name; groups become tls.regexp.GROUP, with a NAME tls.regexp.NAME.GROUP too",
			Args: []sdk.Arg{sdk.Maybe("NAME", sdk.Ident), sdk.One("PATTERN", sdk.Regexp)},
		}, (*settings).setPattern),
		sdk.Line(sdk.Spec{
			Name: "alpn", Many: true, Doc: "The client offers one of these protocols",
			Args: []sdk.Arg{sdk.Some("PROTO", sdk.Proto)},
		}, sdk.AddTexts(func(s *settings) *[]string { return &s.protocols })),
		sdk.Line(sdk.Spec{
			Name: "version", Many: true, Doc: "The highest version that the client offers is one of these",
			Args: []sdk.Arg{versions()},
		}, (*settings).addVersions),
		sdk.Line(sdk.Spec{
			Name: "ja4", Many: true, Doc: "The JA4 fingerprint is one of these; without arguments: only make the fact ja4",
			Args: []sdk.Arg{sdk.List("FINGERPRINT", sdk.Free)},
		}, (*settings).addFingerprints),
		{Spec: sdk.Spec{
			Name: "remote_ip", Doc: "The client's address is in one of these ranges",
			Args: []sdk.Arg{ranges}, Hoist: true,
		}},
		{Spec: sdk.Spec{
			Name: "local_ip", Doc: "The address that the client connected to is in one of these ranges",
			Args: []sdk.Arg{ranges}, Hoist: true,
		}},
	}
}

func versions() sdk.Arg {
	a := sdk.Choice("VERSION", "ssl3.0", "tls1.0", "tls1.1", "tls1.2", "tls1.3")
	a.Max = -1
	return a
}

func (s *settings) addNames(n *sdk.Node) error {
	var errs sdk.Errors
	for _, w := range n.Args {
		name := strings.ToLower(strings.TrimSuffix(w.Text, "."))
		switch {
		case strings.Contains(name, "{"):
			errs = append(errs, sdk.Errorf(w.Pos, "%q has a placeholder: write the name itself, or compare with vars {tls.server_name}", w.Text))
		case name == "*":
			errs = append(errs, sdk.Errorf(w.Pos, "* is no server name: write *.example.com, or for any name sni_regexp ."))
		case name == "" || strings.HasPrefix(name, ".") || strings.Contains(name, ".."):
			errs = append(errs, sdk.Errorf(w.Pos, "%q has an empty label: write a host name like app.example.com", w.Text))
		case slices.Contains(s.names, name):
			errs = append(errs, sdk.Errorf(w.Pos, "%q is there twice: write it once", w.Text))
		default:
			s.names = append(s.names, name)
		}
	}
	return errs.Err()
}

func (s *settings) setPattern(n *sdk.Node) error {
	name, pattern := sdk.Word{}, n.Args[len(n.Args)-1]
	if len(n.Args) > 1 {
		name = n.Args[0]
	}
	var err error
	s.pattern, err = captures.Compile(s.carrier.prefix()+"regexp.", name, pattern)
	if err == nil && name.Text != "" {
		s.pattern.Also(s.carrier.prefix() + "regexp.")
	}
	return err
}

func (s *settings) addVersions(n *sdk.Node) error {
	for _, text := range n.Texts() {
		s.versions = append(s.versions, clienthello.VersionNumber(strings.ToLower(text)))
	}
	return nil
}

func (s *settings) addFingerprints(n *sdk.Node) error {
	s.ja4 = true
	var errs sdk.Errors
	for _, w := range n.Args {
		if !fingerprint(s.carrier.Transport).MatchString(w.Text) {
			errs = append(errs, sdk.Errorf(w.Pos, "%q is no JA4 fingerprint: write one like %c13d1516h2_8daaf6152771_e5627efa2ab1", w.Text, s.carrier.Transport))
		}
		s.fingerprints = append(s.fingerprints, w.Text)
	}
	return errs.Err()
}
