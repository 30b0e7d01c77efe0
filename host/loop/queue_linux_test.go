package loop

import (
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// bell is a queue and the epoll that it rings.
func bell(t *testing.T) (q *queue, rung func() int) {
	t.Helper()
	epoll, wake, err := newEpoll()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.Close(epoll), unix.Close(wake) })
	return &queue{wake: wake}, func() int { return poll(epoll, make([]unix.EpollEvent, 8)) }
}

func TestOnlyASleepingReactorIsRung(t *testing.T) {
	t.Parallel()
	q, rung := bell(t)
	q.push(command{reason: 1})
	if n := rung(); n != 0 {
		t.Errorf("rang %d times for a loop that works", n)
	}
	if q.mayWait() {
		t.Error("the loop may wait with a command in the queue")
	}
	q.take(nil)
	if !q.mayWait() {
		t.Error("the loop may not wait with nothing in the queue")
	}
	q.push(command{reason: 2})
	q.push(command{reason: 3})
	if n := rung(); n != 1 {
		t.Errorf("%d events, want one for two commands", n)
	}
	list, closing := q.take(nil)
	if len(list) != 2 || list[0].reason != 2 || list[1].reason != 3 || closing {
		t.Errorf("took %v, closing %t, want two commands in order", list, closing)
	}
}

func TestAClosingQueueTakesNothing(t *testing.T) {
	t.Parallel()
	q, rung := bell(t)
	q.push(command{reason: 1})
	q.take(nil)
	q.mayWait()
	q.close()
	if rung() != 1 {
		t.Error("closing does not wake the loop")
	}
	if q.push(command{}) {
		t.Error("a command was taken that nobody will see")
	}
	if _, closing := q.take(nil); !closing {
		t.Error("the loop is not told to end")
	}
	q.shut()
	q.mayWait()
	q.close()
	if rung() != 0 {
		t.Error("rang an eventfd that may be another descriptor by now")
	}
}

// Many push while one takes and sleeps: nothing is lost, each one's order is
// kept, and no sleep misses a command.
func TestNoCommandIsLost(t *testing.T) {
	t.Parallel()
	const pushers, each = 4, 5000
	epoll, wake, err := newEpoll()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = unix.Close(epoll), unix.Close(wake) }()
	q := &queue{wake: wake}
	links := make([]link, pushers)
	var all sync.WaitGroup
	for p := range links {
		all.Go(func() {
			for n := range each {
				q.push(command{link: &links[p], reason: relay.Reason(n)})
			}
		})
	}
	seen := map[*link][]relay.Reason{}
	events := make([]unix.EpollEvent, 8)
	for got := 0; got < pushers*each; {
		if q.mayWait() {
			if wait(epoll, events, 30_000) == 0 {
				t.Fatalf("slept with %d of %d commands seen", got, pushers*each)
			}
			q.woken()
		}
		list, _ := q.take(nil)
		got += len(list)
		for _, c := range list {
			seen[c.link] = append(seen[c.link], c.reason)
		}
	}
	all.Wait()
	want := make([]relay.Reason, each)
	for n := range want {
		want[n] = relay.Reason(n)
	}
	for p := range links {
		if !slices.Equal(seen[&links[p]], want) {
			t.Errorf("the commands of pusher %d came in another order", p)
		}
	}
}
