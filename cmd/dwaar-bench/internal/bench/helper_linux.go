package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/box"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/load"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/upstream"
)

// A helper is a process of this program that plays one side: the upstream, or the
// clients. They are processes of their own so that their processor time is known, and
// so that they have a core of their own.
type helper struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *json.Decoder
	alive *time.Timer // kills it when an answer takes too long
}

// answerTimeout bounds what a helper may take for one answer, a whole load included.
const answerTimeout = 2 * time.Minute

func startHelper(at box.Place, args ...string) (*helper, error) {
	h := &helper{cmd: exec.Command("/proc/self/exe", append([]string{"helper"}, args...)...)}
	h.cmd.Stderr = os.Stderr
	h.cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	in, err := h.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.in, h.out = in, json.NewDecoder(out)
	if err := at.Run(h.cmd.Start); err != nil {
		return nil, fmt.Errorf("starting a helper: %w", err)
	}
	h.alive = time.AfterFunc(answerTimeout, func() { _ = h.cmd.Process.Kill() })
	return h, nil
}

func (h *helper) pid() int { return h.cmd.Process.Pid }

// ask sends a question, if it is not nil, and reads the answer.
func (h *helper) ask(question, answer any) error {
	h.alive.Reset(answerTimeout)
	if question != nil {
		if err := json.NewEncoder(h.in).Encode(question); err != nil {
			return fmt.Errorf("asking a helper: %w", err)
		}
	}
	if err := h.out.Decode(answer); err != nil {
		return fmt.Errorf("hearing from a helper: %w", err)
	}
	return nil
}

// stop ends the helper, which does when its input does.
func (h *helper) stop() {
	_ = h.in.Close()
	h.alive.Reset(time.Second)
	_ = h.cmd.Wait() // it has nothing more to say
	h.alive.Stop()
}

// clients is the helper that runs loads and holds idle connections.
type clients struct{ *helper }

// run runs a load.
func (c clients) run(l load.Load) (load.Sample, error) { return c.request(request{Load: &l}) }

// idle makes the set of idle connections what the request says.
func (c clients) idle(i idleRequest) error {
	_, err := c.request(request{Idle: &i})
	return err
}

func (c clients) request(q request) (load.Sample, error) {
	var a reply
	if err := c.ask(q, &a); err != nil {
		return load.Sample{}, err
	}
	if a.Error != "" {
		return load.Sample{}, errors.New(a.Error)
	}
	return a.Sample, nil
}

// request is what the helper with the clients is asked for: one of its members.
type request struct {
	Load *load.Load   `json:"load,omitempty"`
	Idle *idleRequest `json:"idle,omitempty"`
}

// idleRequest opens connections until there are so many, or sends Busy on each; with
// no address it closes them.
type idleRequest struct {
	To     netip.AddrPort `json:"to,omitzero"`
	Conns  int            `json:"conns,omitempty"`
	First  []byte         `json:"first,omitempty"`
	Busy   []byte         `json:"busy,omitempty"`
	Answer int            `json:"answer,omitempty"`
}

// do makes a set of idle connections what the request says.
func (q *idleRequest) do(set *load.Idle) error {
	switch {
	case !q.To.IsValid():
		set.Close()
		return nil
	case q.Busy != nil:
		return set.Busy(q.Busy, q.Answer)
	}
	return set.Hold(q.To, q.Conns, q.First, q.Answer)
}

type reply struct {
	Sample load.Sample `json:"sample,omitzero"`
	Error  string      `json:"error,omitempty"`
}

// clientProcs is GOMAXPROCS of the process with the clients: the loop's and one more for
// goroutines, on however many cores.
const clientProcs = 2

// Clients is the process with the clients: it does what comes on in, a JSON value each,
// one after another, and answers on out.
func Clients(in io.Reader, out io.Writer) error {
	if _, err := box.Descriptors(); err != nil {
		return err
	}
	box.ShortTurns()
	// Beside a loop that is always ready to run, goroutines that shake hands would wait
	// milliseconds for a turn if there were no processor of Go's left for them.
	runtime.GOMAXPROCS(clientProcs)
	questions, answers := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	var set load.Idle
	defer set.Close()
	for {
		var q request
		err := questions.Decode(&q)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a request: %w", err)
		}
		if err := answers.Encode(q.answer(&set)); err != nil {
			return fmt.Errorf("answering: %w", err)
		}
	}
}

func (q *request) answer(set *load.Idle) (a reply) {
	var err error
	switch {
	case q.Load != nil:
		a.Sample, err = q.Load.Run()
	case q.Idle != nil:
		err = q.Idle.do(set)
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// servers is the helper with the upstream.
type servers struct {
	*helper
	addrs []netip.AddrPort
}

func startServers(at box.Place, ports int) (*servers, error) {
	h, err := startHelper(at, "upstream", "--ports", strconv.Itoa(ports))
	if err != nil {
		return nil, err
	}
	s := &servers{helper: h}
	var numbers []uint16
	if err := h.ask(nil, &numbers); err != nil {
		h.stop()
		return nil, err
	}
	for _, n := range numbers {
		s.addrs = append(s.addrs, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), n))
	}
	h.alive.Stop() // it says nothing more
	return s, nil
}

// Upstream is the process with the upstream: it opens so many ports, tells their
// numbers on out, and serves until in ends.
func Upstream(ctx context.Context, ports int, in io.Reader, out io.Writer) error {
	if _, err := box.Descriptors(); err != nil {
		return err
	}
	box.ShortTurns()
	s, err := upstream.Listen(ports)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(s.Ports()); err != nil {
		return fmt.Errorf("telling the ports: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in)
	}()
	return s.Serve(ctx)
}
