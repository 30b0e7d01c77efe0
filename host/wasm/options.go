package wasm

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// defaultReads are the facts that a plugin may ask for where it names none.
func defaultReads() []string { return []string{"conn.*", "tls.*"} }

// options are those of the directive.
func options() []sdk.Option[Plugin] {
	return append(loadOptions(),
		sdk.Line(sdk.Spec{
			Name: "watch", Doc: "Loads the file again when it changes; while it cannot be loaded, or is not what sha256 says, what was loaded serves on",
		}, sdk.SetFlag(func(p *Plugin) *bool { return &p.watch })),
		sdk.Line(sdk.Spec{
			Name: "shadow", Doc: "A candidate that is asked after every evaluation, beside the connections: where it says something else that is counted and logged",
			Args: []sdk.Arg{sdk.One("PATH", sdk.Free)},
		}, func(p *Plugin, n *sdk.Node) error {
			p.shadow = p.candidate(n.Args[0])
			return nil
		}),
		sdk.Line(sdk.Spec{
			Name: "record", Doc: "Writes every evaluation to a file, for dwaar plugin replay, until it has SIZE bytes. It holds what clients sent",
			Args: []sdk.Arg{sdk.One("FILE", sdk.Free), sdk.Maybe("SIZE", sdk.Size)}, Default: "16MiB",
		}, (*Plugin).setRecord),
		sdk.Line(sdk.Spec{
			Name: "on_error", Doc: "What stands for the answer of a matcher that fails: the connection is closed, or it matches or not. Where that lets clients in whom the matcher was to keep out, it needs unsafe",
			Args:    []sdk.Arg{sdk.Choice("ANSWER", string(OnErrorClose), string(OnErrorNoMatch), string(OnErrorMatch)), {Name: "unsafe", Shape: sdk.Enum, Words: []string{"unsafe"}, Max: 1}},
			Default: string(OnErrorClose),
		}, func(p *Plugin, n *sdk.Node) error {
			p.OnError, p.unsafe = OnError(strings.ToLower(n.Args[0].Text)), len(n.Args) > 1
			return nil
		}),
	)
}

// loadOptions are those that say what is loaded and what it may do.
func loadOptions() []sdk.Option[Plugin] {
	return []sdk.Option[Plugin]{
		sdk.Line(sdk.Spec{
			Name: "sha256", Doc: "Loads the file only if this is its hash",
			Args: []sdk.Arg{sdk.One("HEX", sdk.Free)},
		}, (*Plugin).setPin),
		sdk.Line(sdk.Spec{
			Name: "fuel", Doc: "How much an evaluation may take; each byte looked at gives 100 more, and a connection has eight times that of a full head",
			Args: []sdk.Arg{sdk.One("N", sdk.Int)}, Default: strconv.Itoa(defaultFuel),
		}, func(p *Plugin, n *sdk.Node) (err error) {
			p.Fuel, err = within(n, 1000, maxFuel)
			return err
		}),
		sdk.Line(sdk.Spec{
			Name: "memory", Doc: "How many pages of 64 KiB the memory may have",
			Args: []sdk.Arg{sdk.One("PAGES", sdk.Int)}, Default: strconv.Itoa(defaultPages),
		}, func(p *Plugin, n *sdk.Node) error {
			pages, err := within(n, 1, maxPages)
			p.Pages = uint32(pages)
			return err
		}),
		sdk.Line(sdk.Spec{
			Name: "reads", Doc: "Which facts of earlier phases the plugin may ask for beside what it sees of every connection; tls.* is all of tls",
			Args: []sdk.Arg{sdk.Some("NAME", sdk.Free)}, Default: strings.Join(defaultReads(), " "),
		}, (*Plugin).setReads),
	}
}

// within reads an option whose number has bounds.
func within(n *sdk.Node, least, most int64) (int64, error) {
	w := n.Args[0]
	v, err := sdk.ParseInt(w.Text)
	if err == nil && (int64(v) < least || int64(v) > most) {
		err = sdk.Errorf(w.Pos, "%s %s is out of bounds: write %d to %d", n.Name, w.Text, least, most)
	}
	return int64(v), err
}

// setPin reads the option sha256.
func (p *Plugin) setPin(n *sdk.Node) error {
	w := n.Args[0]
	if b, err := hex.DecodeString(w.Text); err != nil || len(b) != sha256.Size {
		return sdk.Errorf(w.Pos, "sha256 %q is no hash: write 64 hexadecimal digits, as sha256sum prints them", w.Text)
	}
	p.pin = &w
	return nil
}

// setReads reads the option reads.
func (p *Plugin) setReads(n *sdk.Node) error {
	var errs sdk.Errors
	p.Reads = nil
	for _, w := range n.Args {
		of, key, ok := strings.Cut(w.Text, ".")
		switch {
		case !ok || of == "" || key == "" || strings.Contains(strings.TrimSuffix(w.Text, ".*"), "*"):
			errs = append(errs, sdk.Errorf(w.Pos, "reads %q is no fact: write a full name, tls.server_name, or tls.* for all of tls", w.Text))
		case of == "env":
			errs = append(errs, sdk.Errorf(w.Pos, "reads %s: no plugin sees the environment; give it what it needs as an argument", w.Text))
		default:
			p.Reads = append(p.Reads, w.Text)
		}
	}
	return errs.Err()
}

// setRecord reads the option record.
func (p *Plugin) setRecord(n *sdk.Node) error {
	p.record = &recording{n.Args[0].Text, defaultRecords}
	if len(n.Args) < 2 {
		return nil
	}
	w := n.Args[1]
	size, err := sdk.ParseSize(w.Text)
	if err == nil && (size < leastRecords || size > mostRecords) {
		err = sdk.Errorf(w.Pos, "record %s is out of bounds: write 64KiB to 16GiB", w.Text)
	}
	p.record.limit = size
	return err
}
