package logring_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/engine/internal/logring"
)

// gate is a writer that waits until it is opened.
type gate struct {
	open    chan struct{}
	entered chan struct{} // one token for each write that began

	mu    sync.Mutex
	lines bytes.Buffer
}

func newGate() *gate {
	return &gate{open: make(chan struct{}), entered: make(chan struct{}, 100)}
}

func (g *gate) Write(p []byte) (int, error) {
	g.entered <- struct{}{}
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lines.Write(p)
}

func closed(t *testing.T, r *logring.Ring) {
	t.Helper()
	if err := r.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestEveryLineArrivesInOrder(t *testing.T) {
	t.Parallel()
	var got, want bytes.Buffer
	r := logring.New(&got, 1<<20, nil)
	for i := range 5000 {
		fmt.Fprintf(r, "line %d\n", i)
		fmt.Fprintf(&want, "line %d\n", i)
	}
	closed(t, r)
	if diff := cmp.Diff(want.String(), got.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestLinesOfManyWritersAreWholeAndCounted(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	r := logring.New(&got, 4096, nil)
	var writers sync.WaitGroup
	const each, line = 2000, "a line of the log\n"
	for range 8 {
		writers.Go(func() {
			for range each {
				io.WriteString(r, line)
			}
		})
	}
	writers.Wait()
	closed(t, r)
	if rest := strings.ReplaceAll(got.String(), line, ""); rest != "" {
		t.Errorf("torn lines: %q", rest)
	}
	written := uint64(got.Len() / len(line))
	if written+r.Dropped() != 8*each {
		t.Errorf("%d written and %d dropped are not %d", written, r.Dropped(), 8*each)
	}
}

func TestAFullRingDropsTellsAndGoesOn(t *testing.T) {
	t.Parallel()
	g, told := newGate(), make(chan uint64, 1)
	r := logring.New(g, 10, func(n uint64) { told <- n })
	io.WriteString(r, "1\n")
	<-g.entered // the writer has the first line, the ring is empty
	for range 8 {
		io.WriteString(r, "12345\n") // one fits
	}
	if got := r.Dropped(); got != 7 {
		t.Errorf("%d lines dropped, want 7", got)
	}
	close(g.open)
	if n := <-told; n != 7 {
		t.Errorf("told of %d lines, want 7", n)
	}
	closed(t, r)
	if diff := cmp.Diff("1\n12345\n", g.lines.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestAPipeThatNobodyReadsBlocksNobody(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	r := logring.New(writer, 1<<16, nil)
	line := strings.Repeat("x", 99) + "\n"
	for range 10000 { // a megabyte; a pipe holds 64 KiB and the ring as much
		io.WriteString(r, line)
	}
	if r.Dropped() == 0 {
		t.Error("nothing was dropped")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close returned %v, want that the last lines could not be written", err)
	}
}

func TestAReaderThatReadsAgainGetsNewLines(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	var r *logring.Ring
	made := make(chan struct{})
	r = logring.New(writer, 1<<16, func(n uint64) {
		<-made
		fmt.Fprintf(r, "lost %d\n", n)
	})
	close(made)
	line := strings.Repeat("x", 99) + "\n"
	for r.Dropped() == 0 {
		io.WriteString(r, line)
	}
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "lost ") {
			return
		}
	}
	t.Errorf("the gap was not told of: %v", lines.Err())
}

func TestLinesAfterCloseAreDropped(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	r := logring.New(&got, 100, nil)
	closed(t, r)
	if n, err := io.WriteString(r, "late\n"); n != 5 || err != nil {
		t.Errorf("Write returned %d, %v", n, err)
	}
	if got.Len() != 0 || r.Dropped() != 1 {
		t.Errorf("wrote %q, dropped %d", got.String(), r.Dropped())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestCloseSaysThatTheLogCouldNotBeWritten(t *testing.T) {
	t.Parallel()
	r := logring.New(broken{}, 100, nil)
	io.WriteString(r, "x\n")
	if err := r.Close(t.Context()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Close returned %v", err)
	}
}

// A disk that is full takes nothing, or the beginning of a line; when there is room again
// the log says how much is missing, on a line of its own.
func TestWhatCannotBeWrittenIsCountedAndToldOfLater(t *testing.T) {
	t.Parallel()
	d := &disk{}
	var r *logring.Ring
	told := make(chan struct{})
	r = logring.New(d, 1<<16, func(n uint64) {
		fmt.Fprintf(r, "lost %d\n", n)
		close(told)
	})
	d.fill(len("whole\n") + len("ha"))
	io.WriteString(r, "whole\n")
	io.WriteString(r, "half\n")
	io.WriteString(r, "none\n")
	for r.Dropped() < 2 { // in one write or in several
		runtime.Gosched()
	}
	d.fill(1 << 10)
	io.WriteString(r, "again\n")
	<-told
	closed(t, r)
	if diff := cmp.Diff("whole\nha\nagain\nlost 2\n", d.text.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if got := r.Dropped(); got != 2 {
		t.Errorf("%d lines dropped, want 2", got)
	}
}

// disk is a writer with room for some bytes.
type disk struct {
	mu   sync.Mutex
	room int
	text bytes.Buffer
}

func (d *disk) fill(room int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = room
}

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(d.room, len(p))
	d.room -= n
	d.text.Write(p[:n])
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}
