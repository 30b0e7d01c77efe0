package differential

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// root is the top of the repository seen from this directory.
const root = "../../.."

// A subject is a protocol: its matcher, and the servers that speak it.
type subject struct {
	name string
	// matcher returns the matcher that nothing is asked of but the protocol.
	matcher func(t testing.TB) sdk.Matcher
	// captures is a pattern of files with first flights of real clients.
	captures string
	// change makes another input of a capture.
	change func(r *rand.Rand, capture []byte) []byte
	// option makes a matcher that demands one thing more, of a name in said.facts; nil
	// if there is no such matcher. Where it is given, every input is sent.
	option func(name, value string) sdk.Matcher
	// refused is a head that no server of the protocol goes on with: it shows that a
	// server's judge tells the difference.
	refused []byte
	servers []server
}

// A server is one program, or library in this process, that speaks a protocol.
type server struct {
	name  string
	start func(t testing.TB) judge
	// asks is how many inputs a run without DIFFTIME sends.
	asks int
	// passes names the inputs that the server goes on with although they are no first
	// message, because it passes over what it does not understand. The documentation of
	// the matcher says so. nil: none.
	passes func(input []byte) bool
	// seeds reports whether the server goes on with a capture; nil: with all.
	seeds func(name string) bool
}

// A judge sends an input to a server and tells what it made of it.
type judge func(t testing.TB, input []byte) said

// said is what a server did with an input.
type said struct {
	goesOn bool
	answer []byte            // its first bytes, for messages
	facts  map[string]string // options of the matcher, with the value that the server understood
}

func subjects() []subject {
	return slices.Concat([]subject{tlsSubject(), httpSubject(), postgresSubject(), sshSubject()}, pluginSubjects())
}

// TestServersGoOnOnlyWithWhatMatchersDoNotRefuse runs for DIFFTIME a server, and without
// it sends a fixed number of inputs, always the same.
func TestServersGoOnOnlyWithWhatMatchersDoNotRefuse(t *testing.T) {
	t.Parallel()
	var limit time.Duration
	if text := os.Getenv("DIFFTIME"); text != "" {
		var err error
		if limit, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range subjects() {
		for _, srv := range s.servers {
			t.Run(s.name+"/"+srv.name, func(t *testing.T) {
				t.Parallel()
				h := newHunt(t, s, srv)
				h.calibrate()
				h.run(limit)
			})
		}
	}
}

// hunt is the comparison of a matcher with one server.
type hunt struct {
	t        *testing.T
	subject  subject
	server   server
	matcher  sdk.Matcher
	judge    judge
	captures map[string][]byte
	names    []string // of the captures, in order

	inputs, asked int
	finds         map[string]bool
}

func newHunt(t *testing.T, s subject, srv server) *hunt {
	t.Helper()
	h := &hunt{t: t, subject: s, server: srv, matcher: s.matcher(t), captures: map[string][]byte{}, finds: map[string]bool{}}
	h.judge = srv.start(t)
	files, err := filepath.Glob(filepath.Join(root, s.captures))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".bin")
		h.captures[name] = read(t, file)
		h.names = append(h.names, name)
	}
	return h
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// calibrate shows that the judge knows a server that goes on from one that refuses.
func (h *hunt) calibrate() {
	h.t.Helper()
	for name, capture := range h.captures {
		want := h.server.seeds == nil || h.server.seeds(name)
		if s := h.judge(h.t, capture); s.goesOn != want {
			h.t.Errorf("%s: goes on: %v, want %v: %q", name, s.goesOn, want, s.answer)
		}
	}
	if s := h.judge(h.t, h.subject.refused); s.goesOn {
		h.t.Errorf("it goes on with %q: %q", h.subject.refused, s.answer)
	}
}

// mostFinds ends a run: what else there is mending these will show.
const mostFinds = 12

func (h *hunt) run(limit time.Duration) {
	start, seed := time.Now(), uint64(1)
	if limit > 0 {
		seed = uint64(start.UnixNano())
	}
	random := rand.New(rand.NewPCG(seed, 2))
	more := func() bool {
		if limit > 0 {
			return time.Since(start) < limit
		}
		return h.asked < h.server.asks && h.inputs < 100*h.server.asks
	}
	for more() && len(h.finds) < mostFinds {
		capture := h.captures[h.names[random.IntN(len(h.names))]]
		h.try(h.subject.change(random, capture))
	}
	h.t.Logf("%d inputs, %d of them sent, %d finds in %v, seed %d", h.inputs, h.asked, len(h.finds), time.Since(start).Round(time.Millisecond), seed)
}

// try compares on one input.
func (h *hunt) try(input []byte) {
	h.inputs++
	if h.refuses(h.matcher, input) {
		h.asked++
		if !h.counts(input) {
			return
		}
		input = shrink(input, func(b []byte) bool { return h.refuses(h.matcher, b) && h.counts(b) })
		h.found(input, "the matcher says no", h.judge(h.t, input))
		return
	}
	if h.subject.option == nil {
		return
	}
	h.asked++
	for name, value := range h.judge(h.t, input).facts {
		m := h.subject.option(name, value)
		if m == nil || !h.refuses(m, input) {
			continue
		}
		input := shrink(input, func(b []byte) bool {
			s := h.judge(h.t, b)
			return s.facts[name] == value && h.refuses(m, b)
		})
		h.found(input, fmt.Sprintf("the matcher of %s %q says no", name, value), h.judge(h.t, input))
	}
}

// counts reports whether the server goes on with an input, and not because it passes
// over what it does not understand.
func (h *hunt) counts(input []byte) bool {
	return (h.server.passes == nil || !h.server.passes(input)) && h.judge(h.t, input).goesOn
}

func (h *hunt) found(input []byte, what string, s said) {
	sum := sha256.Sum256(input)
	name := h.server.name + "-" + hex.EncodeToString(sum[:4])
	if h.finds[name] {
		return
	}
	h.finds[name] = true
	dir := filepath.Join("testdata", "finds", h.subject.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		h.t.Fatal(err)
	}
	file := filepath.Join(dir, name+".bin")
	if err := os.WriteFile(file, input, 0o644); err != nil {
		h.t.Fatal(err)
	}
	h.t.Errorf("%s, and %s goes on with %q: %q\nkept as %s", what, h.server.name, input, s.answer[:min(len(s.answer), 60)], file)
}

func (h *hunt) refuses(m sdk.Matcher, input []byte) bool {
	f := matchtest.TCP()
	f.Head, f.MaxHead = input, 1<<20 // what does not fit is Unknown, and no find
	v, err := m.Match(&f)
	if err != nil {
		h.t.Fatalf("%q: %v", input, err)
	}
	return v == sdk.No
}

// shrink leaves out of an input what it can while it holds, in a bounded number of tries:
// some servers take a process for each.
func shrink(input []byte, holds func([]byte) bool) []byte {
	tries := 200
	for size := len(input) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(input); {
			shorter := slices.Concat(input[:at], input[at+size:])
			if tries--; tries < 0 {
				return input
			}
			if holds(shorter) {
				input = shorter
				continue
			}
			at += size
		}
	}
	return input
}

// TestFindsStayMended asks the matchers about everything that was ever found.
func TestFindsStayMended(t *testing.T) {
	t.Parallel()
	for _, s := range subjects() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			files, err := filepath.Glob(filepath.Join("testdata", "finds", s.name, "*.bin"))
			if err != nil {
				t.Fatal(err)
			}
			m := s.matcher(t)
			for _, file := range files {
				f := matchtest.TCP()
				f.Head = read(t, file)
				if v, err := m.Match(&f); v == sdk.No || err != nil {
					t.Errorf("%s: %v, %v: %q", file, v, err, f.Head)
				}
			}
		})
	}
}

// The changes that fit any protocol.

func pick[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// chance is true once in n times.
func chance(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

// scramble changes some bytes anywhere, most often near the beginning.
func scramble(r *rand.Rand, input []byte) []byte {
	b := bytes.Clone(input)
	for range 1 + r.IntN(3) {
		near := min(len(b), pick(r, 4, 16, 64, len(b)))
		at := r.IntN(near + 1)
		switch r.IntN(6) {
		case 0, 1:
			if at < len(b) {
				b[at] = pick(r, byte(r.Uint32()), 0, 0xff, ' ', '\r', '\n', b[at]^0x20, b[at]+1, b[at]-1)
			}
		case 2:
			b = slices.Insert(b, at, pick(r, byte(r.Uint32()), 0, ' ', '\r', '\n', '\t'))
		case 3:
			to := min(len(b), at+1+r.IntN(4))
			b = slices.Delete(b, at, to)
		case 4:
			to := min(len(b), at+1+r.IntN(40))
			b = slices.Insert(b, at, bytes.Clone(b[at:to])...)
		case 5:
			b = slices.Insert(b, at, bytes.Repeat([]byte{pick(r, byte('a'), 0, ' ')}, 1+r.IntN(pick(r, 3, 40, 400)))...)
		}
	}
	return b
}

func join(parts ...string) []byte { return []byte(strings.Join(parts, "")) }
