package host

import (
	"fmt"
	"path"
	"runtime"

	"dwaar.dev/dwaar/sdk"
)

// Contain makes an error of a panic in a part of a configuration that is being loaded:
// one broken part must not end a program that serves. Contain is to be deferred around
// the call of a constructor; p is the place in the configuration at that moment.
//
//	defer host.Contain(&n.Pos, &err)
func Contain(p *sdk.Pos, err *error) {
	if r := recover(); r != nil {
		*err = sdk.Errors{sdk.Errorf(*p, "a panic in %s: %v: this is a fault of the program, and no configuration should find one", panicked(), r)}
	}
}

// panicked returns the function that panicked, with file and line. The caller of
// panicked was deferred, and has recovered.
func panicked() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if f.Function != "" && !hasRuntime(f.Function) {
			return fmt.Sprintf("%s (%s:%d)", path.Base(f.Function), path.Base(f.File), f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

// hasRuntime reports whether a function is the runtime's own, between the fault and the
// deferred call that recovers.
func hasRuntime(function string) bool { return len(function) > 8 && function[:8] == "runtime." }
