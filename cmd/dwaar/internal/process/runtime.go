package process

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
)

// gcPercent is what GOGC is unless the environment says otherwise: most of a proxy's
// heap is idle connections, and a tenth of a kilobyte for each is worth a half percent
// of the processor time of short ones.
const gcPercent = 75

// Decided is what [Decide] has found for the process.
type Decided struct {
	Memory     int64 // bytes that the runtime tries to stay below; 0: it was left alone
	Processors int   // that the process can keep busy
}

// Decide sets the runtime up once, at the start. lookup finds variables of the environment.
func Decide(lookup func(name string) (string, bool)) Decided {
	set := func(name string) bool { _, ok := lookup(name); return ok }
	container := limitsOf(os.DirFS("/"))
	if !set("GOGC") {
		debug.SetGCPercent(gcPercent)
	}
	var d Decided
	if container.memory > 0 && !set("GOMEMLIMIT") {
		d.Memory = share(container.memory)
		debug.SetMemoryLimit(d.Memory)
	}
	d.Processors = processors(runtime.GOMAXPROCS(0), set("GOMAXPROCS"), container.processors)
	return d
}

// share is how much of a container's memory the runtime may use before it collects more
// often than GOGC says. It does not see what else is counted there: what the kernel keeps
// for sockets, the machine code of plugins, the process that compiles them.
func share(memory int64) int64 { return memory - memory/5 }

// processors returns how many processors can be kept busy: what Go has found, but a
// container's quota as it is. Go rounds a quota below 2 up to 2, for the sake of its
// collector; two event loops that share one processor are only throttled more often.
func processors(found int, set bool, quota float64) int {
	if set || quota <= 0 {
		return found
	}
	return min(found, max(1, int(math.Ceil(quota))))
}
