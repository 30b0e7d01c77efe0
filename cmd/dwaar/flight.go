package main

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"dwaar.dev/dwaar/cmd/dwaar/internal/flight"
)

// clientOptions say what a client sends.
type clientOptions struct {
	hex, tls, http    string
	inside, insideHex string
	stream            string
}

func (o *clientOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.hex, "hex", "", "the `BYTES`, in hexadecimal; spaces and colons may stand between them")
	f.StringVar(&o.tls, "tls", "", "a ClientHello that asks for `NAME`; the protocols that it offers (ALPN) stand behind the flags")
	f.StringVar(&o.http, "http", "", "a request with `METHOD`; its URL stands behind the flags")
	f.StringVar(&o.inside, "inside", "", "`FILE` with the bytes that the client sends inside TLS; - is the standard input")
	f.StringVar(&o.insideHex, "inside-hex", "", "these `BYTES`, in hexadecimal")
	f.StringVar(&o.stream, "stream", "", "stream `N` of a capture, from 1, or list [1]")
}

// flight makes what the flags and the arguments behind them say: FILE comes first, the URL
// last, and the protocols between them.
func (a *app) flight(o clientOptions, args []string) (flight.Flight, error) {
	target := ""
	if o.http != "" {
		if len(args) == 0 {
			return flight.Flight{}, usageError{"--http wants a URL behind the method: write --http GET http://example.com/path"}
		}
		target, args = args[len(args)-1], args[:len(args)-1]
	}
	f, given, err := a.outer(o, args)
	if err != nil {
		return f, err
	}
	if o.http != "" && !given {
		f, err = flight.HTTP(o.http, target, nil)
	} else if o.http != "" {
		f.Inside, err = flight.Requests(o.http, target)
	}
	if err != nil {
		return f, usageError{"--http: " + err.Error()}
	}
	return f, a.insideOf(&f, o)
}

// outer makes the bytes that are not a request's. given says that there are some.
func (a *app) outer(o clientOptions, args []string) (f flight.Flight, given bool, err error) {
	switch {
	case o.tls != "":
		f, err = flight.TLS(o.tls, args)
		return f, true, err
	case len(args) > 1:
		return f, true, usageError{fmt.Sprintf("%q: only --tls has protocols behind it: write one FILE", args[1])}
	case o.hex != "" && len(args) > 0:
		return f, true, usageError{"--hex and FILE are both the bytes: give one of them"}
	case o.hex != "":
		if f, err = flight.Hex(o.hex); err != nil {
			err = usageError{"--hex is " + err.Error()}
		}
		return f, true, err
	case len(args) == 1:
		f, err = a.streamOf(args[0], o.stream)
		return f, true, err
	}
	return f, false, nil
}

// errListed is the error of a command that was only asked to list streams.
var errListed = errors.New("the streams are listed")

// streamOf reads one stream of a file.
func (a *app) streamOf(name, stream string) (flight.Flight, error) {
	all, err := a.readFlights(name)
	if err != nil {
		return flight.Flight{}, err
	}
	if stream == "list" {
		for i := range all {
			fmt.Fprintln(a.out, streamLine(i, &all[i]))
		}
		return flight.Flight{}, errListed
	}
	n, err := strconv.Atoi(cmp.Or(stream, "1"))
	if err != nil || n < 1 || n > len(all) {
		return flight.Flight{}, usageError{fmt.Sprintf("--stream %s: %s has the streams 1 to %d, --stream list lists them", stream, name, len(all))}
	}
	if stream == "" && len(all) > 1 {
		fmt.Fprintf(a.err, "%s is the first of %d streams: --stream N chooses another one, --stream list lists them\n", streamLine(0, &all[0]), len(all))
	}
	return all[n-1], nil
}

func streamLine(i int, f *flight.Flight) string {
	if !f.Client.IsValid() {
		return fmt.Sprintf("%d. %d bytes", i+1, len(f.Head))
	}
	return fmt.Sprintf("%d. %s from %s, %d bytes", i+1, f.Network, f.Client, len(f.Head))
}

// insideOf adds what the client sends inside TLS.
func (a *app) insideOf(f *flight.Flight, o clientOptions) error {
	var head []byte
	switch {
	case o.inside != "" && o.insideHex != "", o.inside+o.insideHex != "" && f.Inside != nil:
		return usageError{"--inside, --inside-hex and a request are all what is inside TLS: give one of them"}
	case o.inside != "":
		all, err := a.readFlights(o.inside)
		if err != nil {
			return err
		}
		head = all[0].Head
	case o.insideHex != "":
		plain, err := flight.Hex(o.insideHex)
		if err != nil {
			return usageError{"--inside-hex is " + err.Error()}
		}
		head = plain.Head
	default:
		return nil
	}
	f.Inside = func(string) []byte { return head }
	return nil
}
