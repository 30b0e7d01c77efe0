package wasm

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/sdk/abi"
)

// Keys of log attributes.
const (
	keyError   = "error"
	keyMatcher = "matcher"
	keyModule  = "sha256"
	keyMore    = "unlogged"
	keyPath    = "path"
	keyPlugin  = "plugin"
	keyRemote  = "remote"
	keySaid    = "said"
	keyShadow  = "shadow"
)

// perSecond is how many lines a plugin may log in a second.
const perSecond = 10

// limiter lets some lines of each second pass and counts the others.
type limiter struct {
	second atomic.Int64
	lines  atomic.Int64
	held   atomic.Int64 // since the last line that passed
}

// pass reports whether a line may be logged, and how many were not before it.
func (l *limiter) pass(now time.Time) (ok bool, held int64) {
	if s := now.Unix(); l.second.Swap(s) != s {
		l.lines.Store(0)
	}
	if l.lines.Add(1) > perSecond {
		l.held.Add(1)
		return false, 0
	}
	return true, l.held.Swap(0)
}

// Message is what a guest logged.
type Message struct {
	Matcher string // in the configuration; "" while its module starts
	Level   int    // [abi.LogTrace] to [abi.LogError]
	Text    string // printable, one line
}

// logs passes a message of the guest on. The lowest level is for tools that listen.
func (in *instance) logs(level int32, msg []byte) {
	if in.logged++; in.mute || in.logged > abi.MaxLogs || level < abi.LogTrace || level > abi.LogError {
		return
	}
	if in.module.host.listen != nil {
		in.module.heard(in, level, msg)
		return
	}
	if level == abi.LogTrace {
		return
	}
	levels := [...]slog.Level{abi.LogInfo: slog.LevelInfo, abi.LogWarn: slog.LevelWarn, abi.LogError: slog.LevelError}
	in.module.tell(in, levels[level], printable(msg))
}

// heard tells a tool what a guest logs.
func (m *Module) heard(in *instance, level int32, msg []byte) {
	said := Message{Level: int(level), Text: printable(msg)}
	if in.matcher != nil {
		said.Matcher = in.matcher.name
	}
	m.host.listen(said)
}

// tell logs what concerns an instance, at most perSecond lines a second.
func (m *Module) tell(in *instance, level slog.Level, msg string, attrs ...slog.Attr) {
	ok, held := m.limiter.pass(time.Now())
	if !ok {
		return
	}
	if held > 0 {
		attrs = append(attrs, slog.Int64(keyMore, held))
	}
	switch {
	case in.matcher == nil:
		attrs = append(attrs, slog.String(keyModule, m.Hash()))
	case in.flow == nil:
		attrs = append(attrs, slog.String(keyMatcher, in.matcher.name))
	default:
		attrs = append(attrs, slog.String(keyMatcher, in.matcher.name), slog.String(keyRemote, in.flow.Remote.String()))
	}
	m.host.log.LogAttrs(context.Background(), level, msg, attrs...)
}

// print collects what is written to a stream and logs it line by line, as many as are
// logged: of what comes then no line is looked for.
func (in *instance) print(level int32, text []byte) {
	for len(text) > 0 && in.logged < abi.MaxLogs {
		line, rest, ends := bytes.Cut(text, []byte{'\n'})
		in.line = append(in.line, line[:min(len(line), abi.MaxMessage-len(in.line))]...)
		if ends {
			in.logs(level, in.line)
			in.line = in.line[:0]
		}
		text = rest
	}
}

// flush logs a line that did not end.
func (in *instance) flush() {
	if len(in.line) > 0 {
		in.logs(abi.LogWarn, in.line)
		in.line = in.line[:0]
	}
}
