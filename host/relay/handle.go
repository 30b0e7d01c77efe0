package relay

// Link is two joined connections, made by Start or by another implementation
// of it. Its methods may be called from any goroutine, also after it has ended.
type Link struct{ runner Runner }

// Runner is what moves the bytes of a link. Whoever holds a [Link] need not
// know which one it is: this package's has two goroutines, package reactor's
// none.
type Runner interface {
	// Kill and Counts are those of Link.
	Kill(r Reason)
	Counts() (up, down int64)
}

// LinkTo makes the handle of what r runs. It is for implementations of Start,
// which keep it in their own state and return its address.
func LinkTo(r Runner) Link { return Link{r} }

// Kill ends the link for reason r. It does not wait: Done tells. The first
// reason stays; a link that has ended, or is about to because an end broke,
// keeps its own, but Kill still cuts short what it waits for.
func (l *Link) Kill(r Reason) { l.runner.Kill(r) }

// Counts returns the bytes written so far to the upstream and to the client.
// They are final, and equal to those of the Result, once Done is called.
func (l *Link) Counts() (up, down int64) { return l.runner.Counts() }
