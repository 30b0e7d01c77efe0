package differential

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/sdk"
)

func postgresSubject() subject {
	return subject{
		name:     "postgres",
		matcher:  builtinMatcher("postgres"),
		captures: "testdata/flights/postgres/*.bin",
		change:   changePostgres,
		option:   postgresUser,
		refused:  []byte("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
		servers: []server{
			// A cancelled query is answered with the end of the connection.
			{name: "postgres", start: postgres, asks: 100, seeds: func(name string) bool { return name != "psql-cancel" }},
		},
	}
}

func postgresUser(name, value string) sdk.Matcher {
	m, err := newBuiltin(&sdk.Node{Name: "postgres", Block: []sdk.Node{{Name: name, Args: []sdk.Word{{Text: value}}}}})
	if err != nil {
		return nil
	}
	return m
}

func postgres(t testing.TB) judge {
	p := realtest.StartPostgres(t)
	return func(t testing.TB, input []byte) said {
		return saidPostgres(ask(t, p.Addr, input, nil))
	}
}

// saidPostgres reads the first message of an answer: whether it is more than a complaint
// about the packet itself (PostgreSQL, "Message Formats").
func saidPostgres(answer []byte) said {
	s := said{answer: answer}
	if len(answer) == 0 {
		return s
	}
	switch answer[0] {
	case 'R', 'N', 'S', 'G', 'v', 'E':
		s.goesOn = !bytes.Contains(answer, []byte("RProcessStartupPacket\x00")) &&
			!bytes.Contains(answer, []byte("unsupported frontend protocol"))
	}
	if _, rest, ok := bytes.Cut(answer, []byte(`role "`)); ok {
		if user, _, ok := bytes.Cut(rest, []byte(`" does not exist`)); ok && !bytes.ContainsAny(user, "*") && len(user) < 63 {
			s.facts = map[string]string{"user": string(user)}
		}
	}
	return s
}

// changePostgres writes a packet of odd parts, or scrambles a capture.
func changePostgres(r *rand.Rand, capture []byte) []byte {
	var input []byte
	switch {
	case chance(r, 4):
		input = slices.Clone(capture)
	case chance(r, 3):
		input = oddRequest(r)
	default:
		input = oddStartup(r)
	}
	if chance(r, 3) {
		input = scramble(r, input)
	}
	return input
}

func packet(r *rand.Rand, code uint32, body []byte) []byte {
	size := len(body) + 8
	if chance(r, 15) {
		size += pick(r, -1, 1, -4, 4, 100)
	}
	return append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(size)), code), body...)
}

// oddRequest is one for TLS, GSSAPI encryption or the end of a query.
func oddRequest(r *rand.Rand) []byte {
	code := 1234<<16 | pick(r, uint32(5678), 5679, 5679, 5680, 5680, 5681, 5677)
	return packet(r, code, make([]byte, pick(r, 0, 0, 1, 4, 7, 8, 9, 100, 256, 260, 261, 9992, 9996, 9997)))
}

// oddStartup is a StartupMessage.
func oddStartup(r *rand.Rand) []byte {
	code := pick(r, uint32(3<<16), 3<<16, 3<<16, 3<<16, 3<<16|1, 3<<16|2, 3<<16|9999, 3<<16|0xffff, 2<<16, 1<<16, 4<<16, 0, 5<<16)
	var body strings.Builder
	for range pick(r, 0, 1, 1, 1, 2, 3) {
		body.WriteString(pick(r, "user", "user", "user", "user", "database", "USER", "", "application_name", "options", "replication", "_pq_.x", "work_mem", "x"))
		body.WriteByte(0)
		body.WriteString(pick(r, "postgres", "nobody", "nobody", "admin", "", "a b", "\xff\xfe", "true", "-c x=y", strings.Repeat("n", pick(r, 62, 63, 64, 300))))
		body.WriteByte(0)
	}
	if chance(r, 8) { // as long as it may be, or a little longer
		want := pick(r, 9999, 10000, 10001, 10003, 10004, 10005, 10100)
		if fill := want - 8 - body.Len() - len("application_name\x00\x00\x00"); fill > 0 {
			body.WriteString("application_name\x00" + strings.Repeat("a", fill) + "\x00")
		}
	}
	body.WriteString(pick(r, "\x00", "\x00", "\x00", "\x00", "", "\x00\x00", "x", "\x00x\x00", "user\x00", "x\x00\x00"))
	return packet(r, code, []byte(body.String()))
}
