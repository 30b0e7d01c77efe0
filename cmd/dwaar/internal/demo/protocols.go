package demo

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// page answers one HTTP/1 request.
func page(client io.ReadWriter) error {
	r, err := http.ReadRequest(bufio.NewReader(client))
	if err != nil {
		return err
	}
	text := fmt.Sprintf("hello from dwaar's demo HTTP server: you asked %s for %s\n", r.Host, r.URL.Path)
	_, err = fmt.Fprintf(client, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(text), text)
	return err
}

// maxLine is the longest identification string of SSH (RFC 4253 section 4.2).
const maxLine = 255

// disconnect identifies itself as an SSH server, hears the client do the same, and
// sends SSH_MSG_DISCONNECT (RFC 4253 section 11.1), which clients show.
func disconnect(client io.ReadWriter) error {
	if _, err := io.WriteString(client, "SSH-2.0-dwaar_demo\r\n"); err != nil {
		return err
	}
	if _, err := bufio.NewReaderSize(client, maxLine).ReadSlice('\n'); err != nil {
		return err
	}
	const (
		msgDisconnect = 1
		byApplication = 11
		padding       = 8 // with the rest a multiple of 8, and at least 4
	)
	text := "this is dwaar's demo SSH server, it has no shell"
	payload := binary.BigEndian.AppendUint32([]byte{msgDisconnect}, byApplication)
	payload = append(binary.BigEndian.AppendUint32(payload, uint32(len(text))), text...)
	payload = binary.BigEndian.AppendUint32(payload, 0) // no language
	pad := padding + (8-(4+1+len(payload)+padding)%8)%8
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+pad))
	packet = append(append(packet, byte(pad)), payload...)
	_, err := client.Write(append(packet, make([]byte, pad)...))
	return err
}

// The codes in the place of a protocol version ("Message Formats" in the
// PostgreSQL manual).
const (
	cancelRequest = 80877102
	sslRequest    = 80877103
	gssRequest    = 80877104
)

// maxStartup is what PostgreSQL itself allows a startup packet.
const maxStartup = 10000 // bytes

// refusal says no to encryption, hears who the client is, and refuses it with an
// ErrorResponse, which clients show.
func refusal(client io.ReadWriter) error {
	const attempts = 3 // encryption by GSSAPI, by TLS, none
	for range attempts {
		code, err := startup(client)
		switch {
		case err != nil:
			return err
		case code == cancelRequest:
			return nil
		case code != sslRequest && code != gssRequest:
			_, err := client.Write(errorResponse("this is dwaar's demo PostgreSQL server, it has no database"))
			return err
		}
		if _, err := client.Write([]byte("N")); err != nil {
			return err
		}
	}
	return errors.New("the client asks for encryption for ever")
}

// startup reads one packet of the startup phase and returns its code.
func startup(client io.Reader) (code uint32, err error) {
	var head [8]byte
	if _, err := io.ReadFull(client, head[:]); err != nil {
		return 0, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < uint32(len(head)) || size > maxStartup {
		return 0, fmt.Errorf("a startup packet of %d bytes", size)
	}
	if _, err := io.CopyN(io.Discard, client, int64(size)-int64(len(head))); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(head[4:]), nil
}

// errorResponse is a fatal error of class 08, connection exception.
func errorResponse(text string) []byte {
	fields := "SFATAL\x00VFATAL\x00C08004\x00M" + text + "\x00\x00"
	return append(binary.BigEndian.AppendUint32([]byte("E"), uint32(4+len(fields))), fields...)
}

// What a client of Redis may say here ("Redis serialization protocol specification").
const (
	maxCommand = 1 << 10 // bytes of an inline command
	maxName    = 64      // bytes of a command's name
)

// pong answers PING, and refuses every other command with an error, which clients
// show. The answer is a simple string in RESP2 and in RESP3.
func pong(client io.ReadWriter) error {
	name, err := command(bufio.NewReaderSize(client, maxCommand))
	if err != nil {
		return err
	}
	answer := "-ERR this is dwaar's demo Redis server, it has no data: say PING\r\n"
	if strings.EqualFold(name, "PING") {
		answer = "+PONG from dwaar's demo Redis server, which a WebAssembly plugin found\r\n"
	}
	_, err = io.WriteString(client, answer)
	return err
}

// command returns the name of a client's first command: the first word of a line, or
// the first of an array of bulk strings.
func command(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	if line[0] != '*' {
		name, _, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		return name, nil
	}
	if line, err = r.ReadSlice('\n'); err != nil {
		return "", err
	}
	size, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(string(line), "$"), "\r\n"), 10, 16)
	if err != nil || size > maxName {
		return "", fmt.Errorf("a command's name with the length %q", line)
	}
	name := make([]byte, size)
	_, err = io.ReadFull(r, name)
	return string(name), err
}
