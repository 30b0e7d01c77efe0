package host

import (
	"fmt"
	"path"
	"runtime"

	"dwaar.dev/dwaar/sdk"
)

// Contain makes an error of a panic, for whoever calls what others wrote while a
// configuration is loaded: one part that is broken must not end a program that
// serves. It is to be deferred; p is where the configuration was at that moment.
//
//	defer host.Contain(&n.Pos, &err)
func Contain(p *sdk.Pos, err *error) {
	if r := recover(); r != nil {
		*err = sdk.Errors{sdk.Errorf(*p, "a panic in %s: %v: this is a fault of the program, and no configuration should find one", panicked(), r)}
	}
}

// panicked returns the function that panicked, with file and line. Its caller was
// deferred, and has recovered.
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

// hasRuntime reports whether a function is the runtime's own: on the way from the
// fault to whoever recovers.
func hasRuntime(function string) bool { return len(function) > 8 && function[:8] == "runtime." }
