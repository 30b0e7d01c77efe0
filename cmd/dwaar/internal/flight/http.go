package flight

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// h2 is what clients and servers of HTTP/2 agree on (RFC 9113 section 3.2).
const h2 = "h2"

// HTTP returns a request as net/http sends it. The scheme of the URL says over what: http,
// https, or h2c for HTTP/2 without TLS; http if there is none. Over https the request is
// inside TLS, for whose handshake the client offers alpn; nil: h2 and http/1.1.
func HTTP(method, target string, alpn []string) (Flight, error) {
	u, err := parse(target)
	if err != nil {
		return Flight{}, err
	}
	switch u.Scheme {
	case "https":
		if alpn == nil {
			alpn = []string{h2, "http/1.1"}
		}
		f, err := TLS(u.Hostname(), alpn)
		if err != nil {
			return Flight{}, err
		}
		f.Inside, err = Requests(method, target)
		return f, err
	case "h2c":
		head, err := request2(method, u)
		return Flight{Head: head}, err
	}
	head, err := request1(method, u)
	return Flight{Head: head}, err
}

// Requests returns the requests that a client sends inside TLS: one of HTTP/2 where that
// was agreed on, else one of HTTP/1.1.
func Requests(method, target string) (func(alpn string) []byte, error) {
	u, err := parse(target)
	if err != nil {
		return nil, err
	}
	one, err := request1(method, u)
	if err != nil {
		return nil, err
	}
	two, err := request2(method, u)
	if err != nil {
		return nil, err
	}
	return func(alpn string) []byte {
		if alpn == h2 {
			return two
		}
		return one
	}, nil
}

// parse reads a URL, which may lack its scheme.
func parse(target string) (*url.URL, error) {
	text := target
	if !bytes.Contains([]byte(text), []byte("://")) {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no URL: write http://example.com/path", target)
	}
	switch {
	case u.Host == "":
		return nil, fmt.Errorf("%q names no host: write http://example.com/path", target)
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "h2c":
		return nil, fmt.Errorf("%q: %s is no scheme of HTTP: write http, https, or h2c for HTTP/2 without TLS", target, u.Scheme)
	}
	return u, nil
}

// request1 is a request of HTTP/1.1.
func request1(method string, u *url.URL) ([]byte, error) {
	r, err := http.NewRequest(method, u.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	var head bytes.Buffer
	if err := r.Write(&head); err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	return head.Bytes(), nil
}

// request2 is the preface of HTTP/2 and what follows up to the request.
func request2(method string, u *url.URL) ([]byte, error) {
	plain := *u
	plain.Scheme = "http"
	r, err := http.NewRequest(method, plain.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	head, err := spoken(func(conn net.Conn) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		t := &http.Transport{
			Protocols:   new(http.Protocols),
			DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		}
		t.Protocols.SetUnencryptedHTTP2(true)
		defer t.CloseIdleConnections()
		if answer, err := t.RoundTrip(r.WithContext(ctx)); err == nil {
			answer.Body.Close()
		}
	}, readRequest2)
	if err != nil {
		return nil, fmt.Errorf("making a request of HTTP/2: %w", err)
	}
	return head, nil
}

const (
	prefaceLength = 24 // bytes (RFC 9113 section 3.4)
	frameHeader   = 9
	headersFrame  = 1
	endOfHeaders  = 4
	maxFrames     = 64
)

// readRequest2 reads up to the end of the first request's header fields.
func readRequest2(r io.Reader) ([]byte, error) {
	head := make([]byte, prefaceLength)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	headers := false
	for range maxFrames {
		frame := make([]byte, frameHeader)
		if _, err := io.ReadFull(r, frame); err != nil {
			return nil, err
		}
		kind, flags := frame[3], frame[4]
		payload := make([]byte, binary.BigEndian.Uint32(append([]byte{0}, frame[:3]...)))
		if _, err := io.ReadFull(r, payload); err != nil {
			return nil, err
		}
		head = append(append(head, frame...), payload...)
		headers = headers || kind == headersFrame
		if headers && flags&endOfHeaders != 0 {
			return head, nil
		}
	}
	return nil, fmt.Errorf("no request within %d frames", maxFrames)
}
