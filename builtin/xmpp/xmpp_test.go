package xmpp_test

import (
	"encoding/xml"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/internal/flighttest"
	"dwaar.dev/dwaar/builtin/xmpp"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func matcher(t testing.TB) sdk.Matcher {
	t.Helper()
	m, err := xmpp.New(&sdk.Node{Name: "xmpp"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func ask(m sdk.Matcher, head string) string {
	f := matchtest.TCP()
	f.Head = []byte(head)
	return matchtest.Ask(m, &f).String()
}

// Parts of a start tag.
const (
	streams = `xmlns:stream='http://etherx.jabber.org/streams'`
	client  = `xmlns='jabber:client'`
	start   = `<stream:stream ` + streams + ` ` + client + ` to='Example.COM.'>`
)

// oddities are heads that no captured client sends.
func oddities() []string {
	return []string{
		start,
		"\xef\xbb\xbf<?xml version='1.0'?>" + start,
		" \t\r\n" + start,
		`<stream xmlns="http://etherx.jabber.org/streams" to="a&amp;b">`,
		`<x:stream xmlns:x = "http://etherx.jabber.org/streams"` + "\n\txmlns\n=\n'jabber:server' >",
		`<stream:stream ` + streams + `>`,
		`<stream:stream ` + client + `>`,
		`<!DOCTYPE html>`,
		`<stream:stream to='` + strings.Repeat("a", 300) + `' ` + streams + ` ` + client + `>`,
		`<stream:stream to='` + strings.Repeat("&#x61;", 60) + `' ` + streams + ` ` + client + `>`,
	}
}

func samples(t testing.TB) [][]byte {
	t.Helper()
	own := flighttest.Own(t, "xmpp")
	heads := [][]byte{nil, []byte("GET / HTTP/1.1\r\n")}
	for _, head := range oddities() {
		heads = append(heads, []byte(head))
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		heads = append(heads, own[name])
	}
	return heads
}

func TestRealClientsAreRecognized(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"go-sendxmpp":       `yes to="example.com"`,
		"profanity":         `yes to="example.com"`,
		"sendxmpp":          `yes to="example.com"`,
		"slixmpp":           `yes to="example.com"`,
		"slixmpp-component": `yes to="chat.example.com"`,
		"xmpp-js":           `yes to="example.com"`,
	}
	got := map[string]string{}
	for name, head := range flighttest.Own(t, "xmpp") {
		got[name] = ask(matcher(t), string(head))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers to captured flights (-want +got):\n%s", diff)
	}
}

func TestAStreamIsAnElementInItsNamespace(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]string{
		start: `yes to="example.com"`,
		"\xef\xbb\xbf<?xml version='1.0'?>\r\n" + start:                                        `yes to="example.com"`,
		`<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>` + start:                     `yes to="example.com"`,
		`<stream xmlns='http://etherx.jabber.org/streams'>`:                                    "yes",
		`<stream xmlns='http://etherx.jabber.org/streams' to=''>`:                              "yes",
		`<a.b-c_9:stream xmlns:a.b-c_9='http://etherx.jabber.org/streams' ` + client + `>`:     "yes",
		`<ü:stream xmlns:ü='http://etherx.jabber.org/streams' ` + client + `>`:                 "yes",
		`<stream:stream ` + streams + ` xmlns='jabber:server'>`:                                "yes",
		`<stream:stream ` + streams + ` xmlns='jabber:component:accept'>`:                      "yes",
		`<stream:stream ` + streams + ` xmlns='jabber&#58;client'>`:                            "yes",
		`<stream:stream ` + streams + ` ` + client + ` a='b>c"'>`:                              "yes",
		`<stream:stream ` + streams + ` ` + client + ` to='a` + "\t" + `&#x42;&lt;&quot;'>`:    `yes to="a b<\""`,
		`<stream:stream ` + streams + ` ` + client + ` to='` + strings.Repeat("a", 256) + `'>`: "yes",
		`<stream:stream ` + streams + ` ` + client + ` to='` + strings.Repeat("a", 255) + `'>`: `yes to="` + strings.Repeat("a", 255) + `"`,
		`<stream:stream ` + streams + `>`:                                                      "unknown",

		`<stream:stream xmlns:stream='http://etherx.jabber.org/stream' ` + client + `>`:   "no",
		`<stream:stream xmlns:stream='http://etherx.jabber.org/streams2' ` + client + `>`: "no",
		`<stream:stream xmlns:other='http://etherx.jabber.org/streams' ` + client + `>`:   "no",
		`<stream:stream ` + streams + ` xmlns='jabber:clienT'>`:                           "no",
		`<stream:stream ` + streams + ` xmlns=''>`:                                        "no",
		`<stream:stream>`:                "no",
		`<stream>`:                       "no",
		`<stream xmlns='jabber:client'>`: "no",
		`<stream:streams ` + streams + ` ` + client + `>`:    "no",
		`<stream:strea ` + streams + ` ` + client + `>`:      "no",
		`<streams ` + streams + ` ` + client + `>`:           "no",
		`<stream:stream ` + streams + ` ` + client + `/>`:    "no",
		start[:len(start)-1] + ` to='again'>`:                "no",
		start[:len(start)-1] + ` ` + streams + `>`:           "no",
		start[:len(start)-1] + ` ` + client + `>`:            "no",
		start[:len(start)-1] + ` a='&nbsp;'>`:                "no",
		start[:len(start)-1] + ` a='&amp'>`:                  "no",
		start[:len(start)-1] + ` a='&#0;'>`:                  "no",
		start[:len(start)-1] + ` a='&#xd800;'>`:              "no",
		start[:len(start)-1] + ` a='&#x110000;'>`:            "no",
		start[:len(start)-1] + ` a='&#x;'>`:                  "no",
		start[:len(start)-1] + ` a='&#4a;'>`:                 "no",
		start[:len(start)-1] + ` a='` + "\xff" + `'>`:        "no",
		start[:len(start)-1] + ` a` + "\xff" + `=''>`:        "no",
		`<?xml encoding='UTF-8'?>` + start:                   "no",
		`<?xml version='1.0' version='1.0'?>` + start:        "no",
		`<?xml version='1.0' x='1.0'?>` + start:              "no",
		`<?xml version=''?>` + start:                         "no",
		`<?xml version='1.0'?><?xml version='1.0'?>` + start: "no",
		`<?xml ?>` + start:                                   "no",
		` <?xml version='1.0'?>` + start:                     "no",
	} {
		if got := ask(matcher(t), head+"<message/>"); got != want {
			t.Errorf("%q: %s, want %s", head, got, want)
		}
	}
}

// TestHeadsAreJudgedAtTheFirstImpossibleByte has a bar before the byte that decides.
func TestHeadsAreJudgedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]sdk.Verdict{
		"|GET / HTTP/1.1\r\n":                    sdk.No,
		"|\x16\x03\x01":                          sdk.No,
		"\xef|\xbb\xbe<":                         sdk.Need(5), // the bar is moved below
		"<|!-- -->":                              sdk.No,
		"<|/stream>":                             sdk.No,
		"<|:stream>":                             sdk.No,
		"<?|php":                                 sdk.No,
		"<?xml|-stylesheet ":                     sdk.No,
		"<?xml version='1.0'?|x":                 sdk.No,
		"<?xml version='1.0'?>|x":                sdk.No,
		"<html|>":                                sdk.No,
		"<soap:|Envelope":                        sdk.No,
		"<stream:stream|s":                       sdk.No,
		"<stream:stream|/":                       sdk.No,
		"<stream:stream xmlns|>":                 sdk.No,
		"<stream:stream xmlns =|x":               sdk.No,
		"<stream:stream to='a'|to='b'":           sdk.No,
		"<stream:stream to='a|<":                 sdk.No,
		"<stream:stream to='a|\x00":              sdk.No,
		"<stream:stream xmlns='jabber:server2|'": sdk.No,
		start[:len(start)-1] + "|>":              sdk.Yes,
	} {
		head = strings.Replace(head, "\xef|\xbb\xbe", "\xef\xbb|\xbe", 1)
		if !want.Decided() {
			want = sdk.No
		}
		before, after, _ := strings.Cut(head, "|")
		whole, m := before+after, matcher(t)
		for n := range len(whole) + 1 {
			f := matchtest.TCP()
			f.Head = []byte(whole[:n])
			expect := want
			if n <= len(before) {
				expect = sdk.Need(n + 1)
			}
			if v := matchtest.Ask(m, &f).Answer.Verdict; v != expect {
				t.Errorf("%q: %v, want %v", f.Head, v, expect)
			}
		}
	}
}

// TestAChangedByteInAFixedFieldIsNo changes the bytes of the declaration's beginning,
// of the element's local name, and of the namespaces and their names.
func TestAChangedByteInAFixedFieldIsNo(t *testing.T) {
	t.Parallel()
	m := matcher(t)
	for name, head := range flighttest.Own(t, "xmpp") {
		for _, text := range []string{"?xml ", ":stream ", "http://etherx.jabber.org/streams", "jabber:client", "jabber:component:accept"} {
			at := strings.Index(string(head), text)
			if at < 0 {
				continue
			}
			for i := range strings.TrimSpace(text) {
				for _, b := range []byte("\x00!Aa_~\xff") {
					changed := slices.Clone(head)
					changed[at+i] = b
					if got := ask(m, string(changed)); got != "no" && b != head[at+i] {
						t.Errorf("%s with %q at %d: %s", name, b, at+i, got)
					}
				}
			}
		}
	}
}

func TestOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	for name, head := range flighttest.Foreign(t, "xmpp") {
		if got := ask(matcher(t), string(head)); got != "no" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestTheMatcherObeysTheLaws(t *testing.T) {
	t.Parallel()
	matchtest.Laws(t, matcher(t), matchtest.TCP(), samples(t)...)
}

func TestPlantedFaultsAreFound(t *testing.T) {
	t.Parallel()
	heads := [][]byte{flighttest.Own(t, "xmpp")["slixmpp"], []byte(start + "behind"), []byte("<html>"), []byte("GET / HTTP/1.1\r\n")}
	for _, mutant := range matchtest.Mutants() {
		switch mutant.Fault {
		case "it reads the clock": // Check does not look for that
			continue
		case "it gives another list of names", "it takes *. for any number of labels", "its key is not lower case", "its selector cannot be compared",
			"it gives another pattern":
			continue // there is no key
		}
		if matchtest.Check(mutant.Plant(matcher(t)), matchtest.TCP(), heads...) == nil {
			t.Errorf("%s: not found", mutant.Fault)
		}
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	matchtest.Allocs(t, matcher(t), matchtest.TCP(), samples(t)...)
}

func FuzzXMPP(f *testing.F) { matchtest.Fuzz(f, samples(f), matcher(f)) }

// FuzzAgainstAParser: where encoding/xml finds a start tag, and the matcher says Yes or
// No, both mean the same.
func FuzzAgainstAParser(f *testing.F) {
	for _, head := range samples(f) {
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		flow := matchtest.TCP()
		flow.Head = head
		got := matchtest.Ask(matcher(t), &flow)
		tag, ok := firstTag(string(head))
		switch {
		case !ok:
		case got.Answer.Verdict == sdk.Yes:
			if to := tag.to(); !tag.isStream() || got.Facts["to"] != to {
				t.Fatalf("%q: %v, and a parser finds %+v", head, got, tag)
			}
		case got.Answer.Verdict == sdk.No && tag.plain && tag.isStream() && tag.hasContent():
			t.Fatalf("%q: no, and a parser finds %+v", head, tag)
		}
	})
}

// tag is the start tag that encoding/xml finds first.
type tag struct {
	xml.StartElement
	plain bool // nothing is in front of it and in it that a stream must not have and the parser takes
}

func firstTag(head string) (found tag, ok bool) {
	d := xml.NewDecoder(strings.NewReader(head))
	for i := 0; ; i++ {
		token, err := d.Token()
		if err != nil {
			return tag{}, false
		}
		switch token := token.(type) {
		case xml.StartElement:
			seen := map[xml.Name]bool{}
			twice := slices.ContainsFunc(token.Attr, func(a xml.Attr) bool {
				before := seen[a.Name]
				seen[a.Name] = true
				return before
			})
			empty := strings.HasSuffix(head[:d.InputOffset()], "/>")
			glued := glued().MatchString(head[:d.InputOffset()])
			return tag{token.Copy(), i == 0 && head[0] == '<' && !twice && !empty && !glued}, true
		case xml.CharData:
			if strings.TrimSpace(string(token)) != "" {
				return tag{}, false
			}
		}
	}
}

// glued finds attributes without white space between them.
func glued() *regexp.Regexp { return regexp.MustCompile(`=\s*("[^"]*"|'[^']*')[^\s>]`) }

func (t *tag) isStream() bool {
	return t.Name == xml.Name{Space: "http://etherx.jabber.org/streams", Local: "stream"}
}

func (t *tag) attribute(name string) string {
	for _, a := range t.Attr {
		if a.Name == (xml.Name{Local: name}) {
			return a.Value
		}
	}
	return ""
}

// hasContent reports whether the default namespace is one of content.
func (t *tag) hasContent() bool {
	return slices.Contains([]string{"jabber:client", "jabber:server"}, t.attribute("xmlns"))
}

// to is the fact that the tag gives.
func (t *tag) to() string {
	to := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r | 0x20
		}
		return r
	}, strings.NewReplacer("\t", " ", "\n", " ", "\r", " ").Replace(t.attribute("to")))
	if len(to) > 255 {
		return ""
	}
	return strings.TrimSuffix(to, ".")
}

func BenchmarkMatch(b *testing.B) {
	m, f, head := matcher(b), matchtest.TCP(), flighttest.Own(b, "xmpp")["sendxmpp"]
	b.ReportAllocs()
	for b.Loop() {
		f.Rehead(head)
		if v, _ := m.Match(&f); v != sdk.Yes {
			b.Fatal(v)
		}
	}
}
