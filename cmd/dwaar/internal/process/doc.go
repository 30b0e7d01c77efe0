// Package process decides what the Go runtime decides for any program, for one that serves
// for months: which signals it hears, what a reader of its log that went away does to it,
// and what of its container's memory and processors it uses.
//
//	calls := process.Hear() // before anything that takes long
//	defer calls.Close()
//	decided := process.Decide(os.LookupEnv)
//
// What is decided, and what is left as it is:
//
//	SIGHUP                     a reload; several that wait are one
//	SIGTERM, SIGINT, SIGQUIT   the end; SIGQUIT too, as in nginx, in place of Go's dump of goroutines
//	SIGABRT                    left to Go: the dump of goroutines, and the end
//	SIGUSR1, SIGUSR2           other servers' calls: heard, so that somebody can be told
//	SIGPIPE                    nothing: writing says what is wrong
//	GOGC                       75
//	GOMEMLIMIT                 four fifths of what the container has
//	GOMAXPROCS                 left to Go, which knows the container, for counting event loops
//	RLIMIT_NOFILE              left to host/engine, which counts with it: raised to the hard one, here
//	                           and in the only child there is, the compiler of plugins
//
// The environment overrules what has a variable there.
package process
