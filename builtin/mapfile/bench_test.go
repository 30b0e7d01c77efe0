//go:build unix

package mapfile

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// processor returns the processor time that this process has taken: what a busy machine
// takes beside it does not count.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// million are the keys of the benchmarks.
const million = 1_000_000

// tenants writes a map of a million names.
func tenants(b *testing.B) (name string, bytes int) {
	var text strings.Builder
	for i := range million {
		fmt.Fprintf(&text, "tenant-%07d.example.com 10.%d.%d.%d:443\n", i, i>>16, i>>8&255, i&255)
	}
	name = filepath.Join(b.TempDir(), "tenants")
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return name, text.Len()
}

// BenchmarkSwap reads a file of a million names, as a swap does, and says what memory the
// table holds a key.
func BenchmarkSwap(b *testing.B) {
	name, size := tenants(b)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var kept table
	began := processor(b)
	for b.Loop() {
		t, err := read(name, names)
		if err != nil {
			b.Fatal(err)
		}
		kept = t
	}
	b.ReportMetric(float64((processor(b)-began).Milliseconds())/float64(b.N), "cpu-ms/op")
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/million, "B/key")
	b.ReportMetric(float64(size)/million, "file-B/key")
	runtime.KeepAlive(kept)
}

// BenchmarkFind looks up names of a million, in an order that no cache likes: exact ones,
// those that a * stands for, and those that are not there.
func BenchmarkFind(b *testing.B) {
	name, _ := tenants(b)
	t, err := read(name, names)
	if err != nil {
		b.Fatal(err)
	}
	m := &Map{}
	m.table.Store(&inUse{t})
	for _, c := range []struct{ what, format string }{
		{"exact", "tenant-%07d.example.com"}, {"missing", "tenant-%07d.example.org"},
	} {
		var keys [4096]string
		for i := range keys {
			keys[i] = fmt.Sprintf(c.format, i*7919*31%million)
		}
		b.Run(c.what, func(b *testing.B) {
			b.ReportAllocs()
			i, began := 0, processor(b)
			for b.Loop() {
				m.Find(keys[i&4095])
				i++
			}
			b.ReportMetric(float64(processor(b)-began)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkFindAddress looks addresses up in a million ranges.
func BenchmarkFindAddress(b *testing.B) {
	var text strings.Builder
	for i := range million {
		fmt.Fprintf(&text, "%d.%d.%d.0/24 x\n", 10+i>>16, i>>8&255, i&255)
	}
	t, err := parse("f", strings.NewReader(text.String()), addresses, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	i, began := 0, processor(b)
	for b.Loop() {
		t.find([...]string{"10.1.2.3", "17.200.3.4", "23.0.5.6", "192.0.2.1"}[i&3])
		i++
	}
	b.ReportMetric(float64(processor(b)-began)/float64(b.N), "cpu-ns/op")
}
