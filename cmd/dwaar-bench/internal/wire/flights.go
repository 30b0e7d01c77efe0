package wire

import (
	"crypto/tls"
	"embed"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// The files are copies from testdata/flights at the root of the repository, which
// says what sent them. A test compares them.
//
//go:embed flights/*.bin
var flights embed.FS

// Flight returns the first bytes of a client: "ssh" and "postgres" of OpenSSH and
// psql, "http" of curl with the host app.example.com, "tls" of crypto/tls with its
// post-quantum key share (about 1,500 bytes) and the given name, "raw" none at all.
func Flight(protocol, name string) ([]byte, error) {
	switch protocol {
	case "raw":
		return nil, nil
	case "tls":
		return hello(name)
	}
	b, err := flights.ReadFile("flights/" + protocol + ".bin")
	if err != nil {
		return nil, fmt.Errorf("reading a first flight: %w", err)
	}
	return b, nil
}

// helloTimeout bounds what crypto/tls may take to write its first message.
const helloTimeout = 10 * time.Second

// hello returns what crypto/tls sends first to a server of that name: one record
// (RFC 8446 section 5.1).
func hello(name string) ([]byte, error) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Client(theirs, &tls.Config{ServerName: name, NextProtos: []string{"h2", "http/1.1"}}).Handshake() // it fails: nobody answers
	}()
	defer func() { theirs.Close(); <-done }()
	if err := ours.SetDeadline(time.Now().Add(helloTimeout)); err != nil {
		return nil, fmt.Errorf("making a client hello: %w", err)
	}
	record := make([]byte, 5)
	if _, err := io.ReadFull(ours, record); err != nil {
		return nil, fmt.Errorf("making a client hello: %w", err)
	}
	record = append(record, make([]byte, binary.BigEndian.Uint16(record[3:]))...)
	if _, err := io.ReadFull(ours, record[5:]); err != nil {
		return nil, fmt.Errorf("making a client hello: %w", err)
	}
	return record, nil
}
