package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dwaar.dev/dwaar/host/engine/internal/crowd"
)

// told calls f with a refusedLog in a bubble, and returns the lines that were written.
func told(t *testing.T, f func(l *refusedLog)) (lines []string) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		var out bytes.Buffer
		l := &refusedLog{crowd: crowd.DefaultLevels().Crowd, log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == keyCode || a.Key == keyListener {
					return slog.Attr{}
				}
				return a
			},
		}))}
		f(l)
		l.close()
		l.refused(":1", netip.AddrPort{}, "late")
		lines = strings.Split(strings.TrimSpace(out.String()), "\n")
	})
	return lines
}

func at(addr string) netip.AddrPort { return netip.MustParseAddrPort(addr) }

func TestRefusalsOfACrowdAreTwoLinesAnInterval(t *testing.T) {
	t.Parallel()
	got := told(t, func(l *refusedLog) {
		for port := range uint16(3) {
			l.refused(":1", netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port+1), "max_connections")
		}
		time.Sleep(refusedInterval)
		synctest.Wait()
		l.refused(":1", at("[2001:db8::1]:1"), "max_connections")
		l.refused(":1", at("[2001:db8::2]:2"), "max_connections")
		time.Sleep(refusedInterval)
		synctest.Wait()
		l.refused(":1", netip.AddrPort{}, "descriptors")
	})
	want := `msg="connections refused" cap=max_connections refused=1 client=192.0.2.1:1
msg="connections refused" cap=max_connections refused=2 client=192.0.2.1
msg="connections refused" cap=max_connections refused=1 client=[2001:db8::1]:1
msg="connections refused" cap=max_connections refused=1 client=2001:db8::/64
msg="connections refused" cap=descriptors refused=1`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

func TestACrowdOfAddressesDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	const clients = 100_000
	got := told(t, func(l *refusedLog) {
		for i := range uint32(clients) {
			a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			l.refused(":1", netip.AddrPortFrom(a, 1), "max_connections")
			l.refused(":1", netip.AddrPortFrom(a, 2), "max_connections")
			if len(l.crowds) > refusedCrowds {
				t.Fatalf("%d crowds are remembered", len(l.crowds))
			}
		}
		l.refused(":1", at("192.0.2.1:1"), "descriptors") // a reason of its own
	})
	if most := 2*refusedCrowds + int(refusals) + 1; len(got) > most {
		t.Errorf("%d lines, want at most %d", len(got), most)
	}
	all := strings.Join(got, "\n")
	if rest := fmt.Sprintf(`msg="connections of more crowds refused" refused=%d`, 2*(clients-refusedCrowds)); !strings.Contains(all, rest) {
		t.Errorf("no %s in\n%s", rest, all)
	}
	if !strings.Contains(all, "cap=descriptors refused=1 client=192.0.2.1:1") {
		t.Errorf("a reason without an address:\n%s", all)
	}
}
