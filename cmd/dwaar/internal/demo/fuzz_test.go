package demo

import (
	"bytes"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// client sends its bytes in steps and keeps what it is told.
type client struct {
	bytes []byte
	steps []byte // lengths of the reads, over and over
	reads int
	heard bytes.Buffer
}

func (c *client) Read(p []byte) (int, error) {
	if len(c.bytes) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(c.bytes))
	if len(c.steps) > 0 {
		n = min(n, 1+int(c.steps[c.reads%len(c.steps)]))
		c.reads++
	}
	n = copy(p, c.bytes[:n])
	c.bytes = c.bytes[n:]
	return n, nil
}

func (c *client) Write(p []byte) (int, error) { return c.heard.Write(p) }

// maxAnswer is more than any of the servers has to say.
const maxAnswer = 1 << 20 // bytes

func FuzzAnswersDoNotDependOnHowBytesArrive(f *testing.F) {
	for _, seed := range []string{
		"GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"SSH-2.0-OpenSSH_9.2p1\r\n",
		"\x00\x00\x00\x08\x04\xd2\x16\x2f\x00\x00\x00\x0c\x00\x03\x00\x00user",
		"\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01\x00\x00\x00\x02",
		"\xff\xff\xff\xff\x00\x03\x00\x00",
		"PING\r\n",
		"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n",
		"",
	} {
		f.Add([]byte(seed), []byte{0})
		f.Add([]byte(seed), []byte{2, 0, 7})
	}
	f.Fuzz(func(t *testing.T, sent, steps []byte) {
		for name, talk := range map[string]talk{"http": page, "ssh": disconnect, "postgres": refusal, "redis": pong, "greeting": greeting} {
			whole, split := &client{bytes: sent}, &client{bytes: sent, steps: steps}
			errWhole, errSplit := talk(whole), talk(split)
			if (errWhole == nil) != (errSplit == nil) {
				t.Errorf("%s: %v at once, %v in steps", name, errWhole, errSplit)
			}
			if diff := cmp.Diff(whole.heard.String(), split.heard.String()); diff != "" {
				t.Errorf("%s, at once and in steps:\n%s", name, diff)
			}
			if n := whole.heard.Len(); n > maxAnswer {
				t.Errorf("%s: it answers %d bytes", name, n)
			}
		}
	})
}
