// Package matchtest checks the laws that every [sdk.Matcher] obeys, native or
// compiled to WebAssembly, on samples from real programs.
//
// A matcher is a pure function of the first bytes of a connection. That sounds
// simple and is where proxies break: a hello that arrives in two segments "has no
// server name", a verdict changes when one more byte is there. The laws are:
//
//   - Chunking does not matter: whatever steps the head grew in, the verdict, the
//     facts and the error are those of a matcher that sees the head at once.
//   - A decided verdict is final: every longer head has the same, facts included.
//   - Need(n) is honest: n is more than there is, and no shorter head decides.
//   - The head is only read: not changed, not kept, not looked at beyond its end.
//   - Nothing else counts: no state between calls or connections, no clock.
//   - What a matcher tells of itself is true: [sdk.Starter], [sdk.Keyed],
//     [sdk.Patterned], [sdk.Ranged].
//   - Nothing panics, also beyond the greatest head.
//
// A test of a matcher is then a few lines:
//
//	func TestObeysTheLaws(t *testing.T) {
//		matchtest.Laws(t, ssh.Matcher{}, matchtest.TCP(), openssh, putty)
//	}
//
//	func FuzzSSH(f *testing.F) {
//		matchtest.Fuzz(f, [][]byte{openssh, putty}, ssh.Matcher{})
//	}
//
// The laws do not know what a matcher is for: that it says Yes to the right bytes
// is for tests with [Ask]. [Mutants] plants faults, each of which the laws find.
package matchtest

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/sdk"
)

// TCP returns a flow without bytes: a TCP connection from 192.0.2.1 to
// 198.51.100.1 port 443, accepted at a fixed moment, with a head of at most 16 KiB.
func TCP() sdk.Flow {
	return sdk.Flow{
		Network:  "tcp",
		Remote:   netip.MustParseAddrPort("192.0.2.1:51820"),
		Local:    netip.MustParseAddrPort("198.51.100.1:443"),
		Accepted: time.Date(2025, time.June, 5, 12, 30, 0, 0, time.UTC),
		Listener: ":443",
		MaxHead:  16 << 10,
	}
}

// UDP returns a flow as [TCP] does, for datagrams.
func UDP() sdk.Flow {
	f := TCP()
	f.Network, f.Listener = "udp", "udp/:443"
	return f
}

// Result is what one call of Match gave.
type Result struct {
	Answer sdk.Answer
	Facts  map[string]string // what a Yes set, by key; otherwise nil
}

// String returns the answer and the facts, ordered by key.
func (r Result) String() string {
	var b strings.Builder
	b.WriteString(r.Answer.String())
	for _, key := range slices.Sorted(maps.Keys(r.Facts)) {
		fmt.Fprintf(&b, " %s=%q", key, r.Facts[key])
	}
	return b.String()
}

// equal compares errors by their text: one that crossed a border is another value.
func (r Result) equal(s Result) bool {
	if (r.Answer.Err == nil) != (s.Answer.Err == nil) {
		return false
	}
	if r.Answer.Err != nil {
		return r.Answer.Err.Error() == s.Answer.Err.Error()
	}
	return r.Answer.Verdict == s.Answer.Verdict && maps.Equal(r.Facts, s.Facts)
}

// Ask calls Match once and returns its answer, with the facts if that is Yes.
// Facts bound to f can be read by m and are left as they are.
func Ask(m sdk.Matcher, f *sdk.Flow) Result {
	rec := &recorder{set: map[string]string{}}
	rec.before = f.Bind(rec)
	defer f.Bind(rec.before)
	v, err := m.Match(f)
	r := Result{Answer: sdk.Answer{Verdict: v, Err: err}}
	if err == nil && v > 0 && len(rec.set) > 0 {
		r.Facts = rec.set
	}
	return r
}

// recorder is the Facts of one call.
type recorder struct {
	before sdk.Facts
	set    map[string]string
}

func (r *recorder) Get(name string) (string, bool) {
	if r.before == nil {
		return "", false
	}
	return r.before.Get(name)
}

func (r *recorder) Set(key string, value []byte) { r.set[key] = string(value) }

// Laws checks all laws of m on every prefix of every head, in random pieces, with
// a few bytes changed, and beyond the greatest head. f says what is known of the
// connection beside its bytes; its Head is ignored, facts may be bound to it. For a
// datagram network each head is one datagram. Not to be called inside a synctest
// bubble: it makes one, to show m another time.
func Laws(t testing.TB, m sdk.Matcher, f sdk.Flow, heads ...[]byte) {
	t.Helper()
	laws(t, m, f, streams(&f, heads))
}

// Datagrams checks as [Laws] does, on sessions of datagrams.
func Datagrams(t testing.TB, m sdk.Matcher, f sdk.Flow, sessions ...[][]byte) {
	t.Helper()
	laws(t, m, f, datagrams(sessions))
}

// Check is [Laws] without a test around it: it returns the first broken law, and
// does not look for a matcher that reads the clock.
func Check(m sdk.Matcher, f sdk.Flow, heads ...[]byte) error {
	return check(m, f, streams(&f, heads))
}

// CheckDatagrams is [Datagrams] without a test around it, as [Check] is [Laws].
func CheckDatagrams(m sdk.Matcher, f sdk.Flow, sessions ...[][]byte) error {
	return check(m, f, datagrams(sessions))
}

func laws(t testing.TB, m sdk.Matcher, f sdk.Flow, samples []sample) {
	t.Helper()
	if err := broken(t, m, f, samples); err != nil {
		t.Fatal(err)
	}
}

func broken(t testing.TB, m sdk.Matcher, f sdk.Flow, samples []sample) error {
	if err := check(m, f, samples); err != nil {
		return err
	}
	if test, ok := t.(*testing.T); ok { // a bubble needs a real test
		return checkClock(test, m, f, samples)
	}
	return nil
}

func streams(f *sdk.Flow, heads [][]byte) []sample {
	samples := make([]sample, len(heads))
	for i, head := range heads {
		samples[i].head = head
		if isDatagram(f) {
			samples[i].ends = []int{len(head)}
		}
	}
	return samples
}

func datagrams(sessions [][][]byte) []sample {
	samples := make([]sample, len(sessions))
	for i, session := range sessions {
		samples[i] = concat(session)
	}
	return samples
}

func isDatagram(f *sdk.Flow) bool { return f.Network == "udp" || f.Network == "unixgram" }
