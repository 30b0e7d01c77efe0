package relay

// Link is two joined connections, made by Start or by another function with the same
// contract. Its methods may be called from any goroutine, also after the link has
// ended.
type Link struct{ runner Runner }

// Runner is what moves the bytes of a link: in this package two goroutines, in package
// loop an event loop.
type Runner interface {
	// Kill and Counts are those of Link.
	Kill(r Reason)
	Counts() (up, down int64)
}

// LinkTo returns the link that r runs. It is for implementations of Start, which keep
// the link in their own state and return its address.
func LinkTo(r Runner) Link { return Link{r} }

// Kill ends the link for reason r. It does not wait for the end, which Done tells. The
// first reason stays. A link that has ended, or is about to because an end broke, keeps
// its reason, but Kill still cuts short what that link waits for.
func (l *Link) Kill(r Reason) { l.runner.Kill(r) }

// Counts returns the bytes written so far to the upstream and to the client.
// They are final, and equal to those of the Result, once Done is called.
func (l *Link) Counts() (up, down int64) { return l.runner.Counts() }
