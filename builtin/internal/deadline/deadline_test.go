package deadline_test

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"dwaar.dev/dwaar/builtin/internal/deadline"
)

func TestWhatComesFirstEndsTheWait(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		until, deadline, moved, signal time.Duration // from the beginning; 0: never
		took                           time.Duration
		signaled, late                 bool
	}{
		{until: 3, took: 3},
		{until: 3, deadline: 2, took: 2, late: true},
		{until: 2, deadline: 3, took: 2},
		{until: 4, deadline: 9, moved: 1, took: 1, late: true},
		{until: 4, deadline: 2, moved: -1, took: 4}, // to none
		{until: 4, deadline: 3, signal: 2, took: 2, signaled: true},
		{signal: 5, took: 5, signaled: true},
		{deadline: 5, took: 5, late: true},
		{until: -1, signal: 1},
		{until: 1, deadline: -1, late: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			var (
				d      deadline.Deadline
				begin  = time.Now()
				signal = make(chan struct{})
			)
			at := func(n time.Duration) time.Time {
				if n == 0 {
					return time.Time{}
				}
				return begin.Add(n * time.Second)
			}
			d.Set(at(c.deadline))
			if c.moved != 0 {
				time.AfterFunc(time.Second, func() { d.Set(at(max(c.moved, 0))) })
			}
			if c.signal > 0 {
				time.AfterFunc(c.signal*time.Second, func() { close(signal) })
			}
			signaled, err := d.Wait(at(c.until), signal)
			if took := time.Since(begin); took != c.took*time.Second || signaled != c.signaled || errors.Is(err, os.ErrDeadlineExceeded) != c.late {
				t.Errorf("%+v: %v, %v after %v", c, signaled, err, took)
			}
		})
	}
}
