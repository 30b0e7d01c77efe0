package flight_test

import (
	"strings"
	"testing"

	"dwaar.dev/dwaar/cmd/dwaar/internal/flight"
)

func TestTextIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	f, err := flight.Text(`a\r\n\t\0\\\"\x7f\xFFz`)
	if err != nil || string(f.Head) != "a\r\n\t\x00\\\"\x7f\xffz" {
		t.Errorf("%q, %v", f.Head, err)
	}
	for _, text := range []string{`\`, `\q`, `\x1`, `\xzz`, `a\`} {
		if f, err := flight.Text(text); err == nil {
			t.Errorf("%s is %q", text, f.Head)
		}
	}
}

func TestRequestsAreThoseOfNetHTTP(t *testing.T) {
	t.Parallel()
	f, err := flight.HTTP("POST", "example.com/a?b=c", nil)
	if err != nil || !strings.HasPrefix(string(f.Head), "POST /a?b=c HTTP/1.1\r\nHost: example.com\r\n") || !strings.HasSuffix(string(f.Head), "\r\n\r\n") {
		t.Errorf("%q, %v", f.Head, err)
	}
	f, err = flight.HTTP("GET", "h2c://example.com/a", nil)
	if err != nil || !strings.HasPrefix(string(f.Head), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
		t.Errorf("%q, %v", f.Head, err)
	}
	f, err = flight.HTTP("GET", "https://example.com/a", nil)
	if err != nil || f.Head[0] != 22 || f.TLS.ServerName != "example.com" {
		t.Fatalf("%q, %v", f.Head, err)
	}
	if one := string(f.Inside("http/1.1")); !strings.HasPrefix(one, "GET /a HTTP/1.1\r\n") {
		t.Errorf("inside: %q", one)
	}
	if two := string(f.Inside("h2")); !strings.HasPrefix(two, "PRI") {
		t.Errorf("inside: %q", two)
	}
	for _, bad := range []string{"", "/a", "ftp://a/", "http://", "%zz"} {
		if f, err := flight.HTTP("GET", bad, nil); err == nil {
			t.Errorf("%q is %q", bad, f.Head)
		}
	}
	if _, err := flight.HTTP("a b", "http://a/", nil); err == nil {
		t.Error("a method with a space makes a request")
	}
}

func FuzzTextAndHexAreReadBack(f *testing.F) {
	f.Add([]byte("SSH-2.0-x\r\n"), `a\r\n`)
	f.Add([]byte{0, 255, '\\', '"'}, `\x41\`)
	f.Fuzz(func(t *testing.T, head []byte, text string) {
		back, err := flight.Text(flight.Escape(head))
		if err != nil || string(back.Head) != string(head) {
			t.Errorf("%q became %q: %v", head, back.Head, err)
		}
		if f, err := flight.Text(text); err == nil && len(f.Head) > len(text) {
			t.Errorf("%q became the longer %q", text, f.Head)
		}
		if f, err := flight.Hex(text); err == nil && 2*len(f.Head) > len(text) {
			t.Errorf("%q became %q", text, f.Head)
		}
	})
}
