package e2e

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// resources are what a leak would use up.
type resources struct {
	goroutines, descriptors int
	rss                     int // KiB
}

func inUse(t *testing.T) resources {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	r := resources{goroutines: runtime.NumGoroutine(), descriptors: len(fds)}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &r.rss)
		}
	}
	return r
}

// Configurations with everything that a graph starts, shares and watches:
// certificates, checks, a name that is resolved, routes within routes.
func TestTenThousandReloadsLeaveNothingBehind(t *testing.T) {
	up := echoServer(t)
	cert1, key1 := certificate(t, "app.example.com")
	cert2, key2 := certificate(t, "app.example.com", "other.example.com")
	config := func(i int) string {
		cert, key := cert1, key1
		if i%2 == 1 {
			cert, key = cert2, key2
		}
		return fmt.Sprintf(`{
	certificate app.example.com %s %s
}
layer4 {
	127.0.0.1:0 {
		@talk regexp ^TALK
		@tls tls sni app.example.com
		route @talk {
			proxy {
				to %s localhost:%d
				lb_policy first
				health_interval %ds
			}
		}
		route @tls {
			tls
			subroute {
				@web http host *
				route @web {
					vars n %d
					proxy %s
				}
			}
			close
		}
	}
}
`, cert, key, up, 1+i%2, 3600+i%7, i, up)
	}
	s := serve(t, config(0))
	reloads := 10_000
	if testing.Short() || raceDetector {
		reloads = 1_000
	}
	var before resources
	for i := range reloads {
		if i == reloads/10 { // pools and caches are full by then
			eventually(t, "the old generations are gone", func() bool { return len(s.engine.Stats().Generations) == 1 })
			before = inUse(t)
		}
		if err := s.load(config(i)); err != nil {
			t.Fatal(err)
		}
	}
	k, err := talkTo(t, s.addr(), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.finish(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what the old generations had is gone", func() bool {
		now := inUse(t)
		return now.goroutines <= before.goroutines+3 && now.descriptors <= before.descriptors+3
	})
	after := inUse(t)
	t.Logf("before %+v, after %+v", before, after)
	if after.rss > before.rss+16<<10 {
		t.Errorf("%d KiB before, %d KiB after", before.rss, after.rss)
	}
}
