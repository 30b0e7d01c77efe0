package loop

import (
	"reflect"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestAnEventOfAPairThatIsGoneFindsNothing(t *testing.T) {
	t.Parallel()
	b := newSlab()
	l := &link{}
	i, s := b.take(l)
	old := key{i<<1 | 1, s.uses}
	e := old.event()
	if at, end, got := b.find(keyOf(&e)); got != s || at != i || end != 1 {
		t.Errorf("found slot %d, end %d, want %d, 1", at, end, i)
	}
	b.give(i)
	if _, _, got := b.find(old); got != nil {
		t.Error("found a slot that was given back")
	}
	again, s := b.take(&link{})
	if again != i {
		t.Fatalf("the slot given back last is %d, want %d", again, i)
	}
	if _, _, got := b.find(old); got != nil {
		t.Error("an event of the pair before is taken for one of the pair after")
	}
	if _, _, got := b.find(key{i << 1, s.uses}); got != s {
		t.Error("the new pair is not found")
	}
}

func TestKeysOfNothingFindNothing(t *testing.T) {
	t.Parallel()
	b := newSlab()
	b.take(&link{})
	for _, k := range []key{wakeKey(), {place: -5}, {place: 1 << 20}, {place: 3}} {
		if i, _, s := b.find(k); s != nil {
			t.Errorf("%+v finds slot %d", k, i)
		}
	}
}

func TestTheSlabKeepsItsSlotsInPlaceAndUsesThemAgain(t *testing.T) {
	t.Parallel()
	const n = 3*chunkSize + 1
	b := newSlab()
	at := map[int32]*slot{}
	for range n {
		i, s := b.take(&link{})
		if at[i] != nil {
			t.Fatalf("slot %d was taken twice", i)
		}
		at[i] = s
	}
	for i, s := range at {
		if b.at(i) != s {
			t.Fatalf("slot %d has moved", i)
		}
		b.give(i)
	}
	chunks := len(b.chunks)
	for range n {
		if i, s := b.take(&link{}); at[i] != s {
			t.Fatalf("slot %d is new although others were free", i)
		}
	}
	if b.live != n || len(b.chunks) != chunks {
		t.Errorf("%d live in %d chunks, want %d in %d", b.live, len(b.chunks), n, chunks)
	}
}

// The garbage collector does not look into memory without pointers.
func TestASlotHoldsNoPointer(t *testing.T) {
	t.Parallel()
	var look func(path string, typ reflect.Type)
	look = func(path string, typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Array:
			look(path+"[]", typ.Elem())
		case reflect.Struct:
			for i := range typ.NumField() {
				look(path+"."+typ.Field(i).Name, typ.Field(i).Type)
			}
		case reflect.Pointer, reflect.Slice, reflect.String, reflect.Map, reflect.Chan, reflect.Func, reflect.Interface, reflect.UnsafePointer:
			t.Errorf("%s is a %v", path, typ)
		}
	}
	look("slot", reflect.TypeFor[slot]())
	t.Logf("%d bytes a slot, %d a link", unsafe.Sizeof(slot{}), unsafe.Sizeof(link{}))
}

func TestAKeySurvivesTheEpoll(t *testing.T) {
	t.Parallel()
	epoll, wake, err := newEpoll()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = unix.Close(epoll), unix.Close(wake) }()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = unix.Close(fds[0]), unix.Close(fds[1]) }()
	want := key{place: 1<<31 - 2, uses: 1<<32 - 3}
	if errno := control(epoll, unix.EPOLL_CTL_ADD, int32(fds[0]), (&end{flags: spacious}).interest(), want); errno != 0 {
		t.Fatal(errno)
	}
	var events [4]unix.EpollEvent
	if n := poll(epoll, events[:]); n != 1 || keyOf(&events[0]) != want {
		t.Errorf("%d events, the first of %+v, want one of %+v", n, keyOf(&events[0]), want)
	}
	if n := poll(epoll, events[:]); n != 0 {
		t.Errorf("an edge was reported again: %d events", n)
	}
	for range 3 { // nobody reads the eventfd: each ring is an event
		ring(wake)
		if n := poll(epoll, events[:]); n != 1 || keyOf(&events[0]) != wakeKey() {
			t.Errorf("%d events after a ring", n)
		}
	}
}
