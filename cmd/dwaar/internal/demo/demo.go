// Package demo holds the handler demo, small servers that answer in this process:
// the upstreams of the demonstration that `dwaar serve` runs where nobody wrote a
// configuration.
//
//	127.0.0.1:18080 {
//		route {
//			demo http
//		}
//	}
//
// Each says one sentence in its protocol and ends the connection. None is of use
// for anything but trying.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// The bounds of a conversation: nobody who tries a demonstration needs more.
const (
	talkTime = 10 * time.Second
	lastTime = time.Second // for the client to finish once all is said
	maxTalk  = 64 << 10    // bytes from the client
)

// Register adds the handler to r.
func Register(r *host.Registry) { r.Handler(Spec(), New) }

// Spec describes the handler.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name: "demo",
		Doc:  "Answers as a small server of the demonstration would: http a page, ssh and postgres a refusal in their protocol, redis a PONG, greeting a line of text before the client says anything, TEXT if there is one, which may hold placeholders",
		Args: []sdk.Arg{sdk.Choice("SERVER", "http", "ssh", "postgres", "redis", "greeting"), sdk.Maybe("TEXT", sdk.Free)},
		Ends: true,
	}
}

// New makes the handler from its directive.
func New(b host.Builder, n *sdk.Node) (host.Handler, error) {
	name := strings.ToLower(n.Args[0].Text)
	h := &Handler{talk: map[string]talk{"http": page, "ssh": disconnect, "postgres": refusal, "redis": pong, "greeting": greeting}[name]}
	if len(n.Args) == 1 {
		return h, nil
	}
	w := n.Args[1]
	if name != "greeting" {
		return nil, sdk.Errorf(w.Pos, "demo %s says what its protocol does: only greeting takes a text", name)
	}
	text, err := host.ParseTemplate(w)
	if err != nil {
		return nil, err
	}
	for _, fact := range text.Facts() {
		b.Reads(w.Pos, fact)
	}
	h.text = &text
	return h, nil
}

// talk is one side of a short conversation.
type talk func(client io.ReadWriter) error

// Handler answers and ends the connection.
type Handler struct {
	talk talk
	text *host.Template // of the greeting; nil: its own
}

// Handle never calls next.
func (h *Handler) Handle(_ context.Context, c host.Conn, _ host.Next) error {
	say := h.talk
	if h.text != nil {
		text, err := h.text.Expand(c.Get)
		if err != nil {
			return host.End(host.ByProxy, host.Failed, err)
		}
		say = func(client io.ReadWriter) error { return line(client, text) }
	}
	return converse(c.Net(), say)
}

// converse lets a server talk and ends the connection.
func converse(conn net.Conn, say talk) error {
	if err := conn.SetDeadline(time.Now().Add(talkTime)); err != nil {
		return fmt.Errorf("setting a deadline: %w", err)
	}
	bounded := struct {
		io.Reader
		io.Writer
	}{io.LimitReader(conn, maxTalk), conn}
	err := say(bounded)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return host.End(host.ByClient, host.Timeout, fmt.Errorf("reading what the client says: %w", err))
	case err != nil:
		return host.End(host.ByClient, host.Protocol, fmt.Errorf("reading what the client says: %w", err))
	}
	finish(conn)
	return host.End(host.ByProxy, host.Closed, nil)
}

// finish ends the stream and reads what the client still sends: to close before
// that would reset the connection, and the client might lose the answer.
func finish(conn net.Conn) {
	if w, ok := conn.(interface{ CloseWrite() error }); !ok || w.CloseWrite() != nil {
		return
	}
	if conn.SetReadDeadline(time.Now().Add(lastTime)) == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(conn, maxTalk)) // however it ends, it ends
	}
}

// greeting speaks first.
func greeting(client io.ReadWriter) error {
	return line(client, "hello from dwaar's demo: no route knows what you speak, so this server speaks first\r")
}

// line says one line.
func line(client io.Writer, text string) error {
	_, err := io.WriteString(client, text+"\n")
	return err
}
