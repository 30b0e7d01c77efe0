package flight

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// patience bounds how long a client in memory may take for what it does at once.
const patience = time.Minute

// TLS returns the ClientHello of crypto/tls for a server name and the protocols that the
// client offers.
func TLS(name string, alpn []string) (Flight, error) {
	config := &tls.Config{ServerName: name, NextProtos: alpn, InsecureSkipVerify: true}
	if name == "" {
		return Flight{}, fmt.Errorf("a ClientHello needs a server name: write the name that the client asks for")
	}
	head, err := spoken(func(conn net.Conn) { _ = tls.Client(conn, config).Handshake() }, readRecord)
	if err != nil {
		return Flight{}, fmt.Errorf("making a ClientHello for %s: %w", name, err)
	}
	return Flight{Head: head, TLS: config}, nil
}

// readRecord reads a TLS record: in one lies the whole ClientHello of crypto/tls.
func readRecord(r io.Reader) ([]byte, error) {
	record := make([]byte, 5)
	if _, err := io.ReadFull(r, record); err != nil {
		return nil, err
	}
	rest := make([]byte, binary.BigEndian.Uint16(record[3:]))
	_, err := io.ReadFull(r, rest)
	return append(record, rest...), err
}

// spoken returns what read reads of a client that speaks over a connection in memory.
func spoken(speak func(net.Conn), read func(io.Reader) ([]byte, error)) ([]byte, error) {
	server, client := net.Pipe()
	if err := server.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		speak(client)
		client.Close()
	}()
	head, err := read(server)
	server.Close()
	<-done
	return head, err
}
