package host

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func keep(value any) func() (any, error) { return func() (any, error) { return value, nil } }

// A value whose making hangs, on a file that is a pipe, say, holds up nobody but those who
// want it.
func TestWhatIsBeingMadeHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	var s Store
	making, finish := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			v, err := s.Hold("slow", func() (any, error) {
				close(making) // a second time would panic
				<-finish
				return "slow", nil
			})
			if v != "slow" || err != nil {
				t.Errorf("%v, %v", v, err)
			}
		})
	}
	<-making
	if v, err := s.Hold("quick", keep("quick")); v != "quick" || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	if diff := cmp.Diff([]any{"quick"}, s.Values()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.Drop("quick")
	close(finish)
	all.Wait()
	if diff := cmp.Diff([]any{"slow"}, s.Values()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.Drop("slow")
	if got := s.Values(); len(got) != 1 {
		t.Errorf("with one holder left: %v", got)
	}
	s.Drop("slow")
	if got := s.Values(); len(got) != 0 {
		t.Errorf("without a holder: %v", got)
	}
}

func TestWhatCouldNotBeMadeIsMadeAgainByTheNext(t *testing.T) {
	t.Parallel()
	var s Store
	wrong := errors.New("wrong")
	if _, err := s.Hold("k", func() (any, error) { return nil, wrong }); err != wrong {
		t.Errorf("it says %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = s.Hold("k", func() (any, error) { panic("defect") })
	}()
	if v, err := s.Hold("k", keep(1)); v != 1 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}
