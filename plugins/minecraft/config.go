package main

import (
	"slices"
	"strconv"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// Matcher matches the first packet of a Minecraft client. The zero value matches all
// of them.
type Matcher struct {
	hosts    []string // lower case, without a final dot; "*." stands for one label
	versions []versions
	intents  []string
}

// versions is a range of protocol versions, both ends included.
type versions struct{ from, to uint32 }

// options are the words that begin one, in the arguments and in the block.
func options() []string { return []string{"host", "version", "intent"} }

// New configures the matcher:
//
//	minecraft [host NAME…] [version N[-N]…] [intent status|login|transfer…]
//
// or the same as lines of a block. Of each option one value must hold.
func New(n *sdk.Node) (sdk.Matcher, error) {
	m := &Matcher{}
	pool.Put(new(scratch))
	var faults sdk.Errors
	args := n.Args
	for len(args) > 0 {
		rest := 1
		for rest < len(args) && !slices.Contains(options(), args[rest].Text) {
			rest++
		}
		faults = append(faults, m.option(args[0], args[1:rest])...)
		args = args[rest:]
	}
	for i := range n.Block {
		line := &n.Block[i]
		faults = append(faults, m.option(sdk.Word{Text: line.Name, Pos: line.Pos}, line.Args)...)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return m, nil
}

// option adds the values of an option.
func (m *Matcher) option(name sdk.Word, values []sdk.Word) sdk.Errors {
	add := map[string]func(string) string{"host": m.addHost, "version": m.addVersion, "intent": m.addIntent}[name.Text]
	switch {
	case add == nil:
		return sdk.Errors{{Pos: name.Pos, Msg: "is no option: write host, version or intent"}}
	case len(values) == 0:
		return sdk.Errors{{Pos: name.Pos, Msg: "needs a value"}}
	}
	var faults sdk.Errors
	for _, v := range values {
		if wrong := add(v.Text); wrong != "" {
			faults = append(faults, &sdk.Error{Pos: v.Pos, Msg: wrong})
		}
	}
	return faults
}

// addHost returns what is wrong with a host name, or "".
func (m *Matcher) addHost(text string) string {
	name := strings.TrimSuffix(strings.ToLower(text), ".")
	rest := strings.TrimPrefix(name, "*.")
	if rest == "" || len(name) > maxHost || strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz0123456789-_.:") != "" {
		return "is no host name: write play.example.com, or *.example.com for any first label"
	}
	m.hosts = append(m.hosts, name)
	return ""
}

// addVersion returns what is wrong with a version or a range of them, or "".
func (m *Matcher) addVersion(text string) string {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, err1 := strconv.ParseUint(first, 10, 31)
	to, err2 := strconv.ParseUint(last, 10, 31)
	if err1 != nil || err2 != nil || from > to {
		return "is no protocol version: write a number like 47, or a range like 760-767"
	}
	m.versions = append(m.versions, versions{uint32(from), uint32(to)})
	return ""
}

// addIntent returns what is wrong with an intent, or "".
func (m *Matcher) addIntent(text string) string {
	for _, intent := range intents {
		if intent == text && text != "" {
			m.intents = append(m.intents, text)
			return ""
		}
	}
	return "is no intent: write status, login or transfer"
}
