// Package remoteiplist matches connections by the address of the client, which lies in
// one of the ranges that a file lists. It needs no bytes.
//
//	@known remote_ip_list /etc/dwaar/known
//
// A line of the file holds an address or a range, as remote_ip takes them, or nothing;
// what stands behind #, // or ; is a comment:
//
//	# offices
//	192.0.2.0/24      # Berlin
//	2001:db8:17::/48
//	203.0.113.7
//
// The file is followed: a new version is used once two looks have found it the same, so
// that nobody is judged by half of it, and is used whole. One that cannot be read, or has
// a line that is no range, changes nothing and is logged once. When a configuration is
// loaded such a file is an error. One that is missing then, in a directory that exists,
// is a warning, because caddy-l4 loads such a configuration: until the file is there it
// is not known whom it lists, and the answer is Unknown, which neither the matcher nor
// its negation takes for a match.
//
// On a socket without addresses, a Unix one, the answer is Unknown as well.
package remoteiplist

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/gaissmai/bart"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/watch"
	"dwaar.dev/dwaar/sdk"
)

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name: "remote_ip_list",
		Doc:  "The client's address lies in one of the ranges that a file lists, one a line; the file is followed as it changes",
		Args: []sdk.Arg{sdk.One("FILE", sdk.Free)},
	}
}

// Matcher matches the addresses of a file. Make one with [New]. It is an actor
// ([host.Actor]), which follows the file.
type Matcher struct {
	table    atomic.Pointer[bart.Lite] // nil: the file has never been there
	warnings sdk.Errors

	mu   sync.Mutex // one look at a time
	file watch.Watched[*bart.Lite]
}

// New makes the matcher of a node that fits [Spec], and reads its file.
func New(n *sdk.Node) (sdk.Matcher, error) {
	w := n.Args[0]
	m := &Matcher{file: watch.New(func() (*bart.Lite, error) { return read(w.Text) }, w.Text)}
	m.file.Settle()
	m.refresh()
	switch err := m.file.Err(); {
	case errors.Is(err, fs.ErrNotExist) && exists(filepath.Dir(w.Text)):
		m.warnings = sdk.Errors{sdk.Errorf(w.Pos, "remote_ip_list %s: the file is missing: until it is there nobody matches, nobody matches the negation, and deny turns everybody away", w.Text)}
	case isErrors(err):
		return nil, err
	case err != nil:
		return nil, sdk.Errorf(w.Pos, "remote_ip_list: %v", err)
	}
	return m, nil
}

func exists(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

// isErrors reports whether err has places of its own.
func isErrors(err error) bool {
	var es sdk.Errors
	return errors.As(err, &es)
}

// Early implements [sdk.Early].
func (m *Matcher) Early() sdk.Known { return sdk.KnownRemote }

// Warnings implements [sdk.Warner].
func (m *Matcher) Warnings() sdk.Errors { return m.warnings }

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	table, addr := m.table.Load(), f.Remote.Addr()
	switch {
	case table == nil, !addr.IsValid():
		return sdk.Unknown, nil
	case table.Contains(addr):
		return sdk.Yes, nil
	}
	return sdk.No, nil
}

// Run follows the file until ctx is done. Several may run: when a configuration replaces
// another one, both do for a moment.
func (m *Matcher) Run(ctx context.Context) error {
	log := host.Log(ctx)
	return watch.Poll(ctx, func() { m.look(log) })
}

// look is one look at the file. What was wrong twice is said once.
func (m *Matcher) look(log *slog.Logger) {
	name := m.file.Files()[0]
	if m.refresh() {
		log.Info("address list replaced", keyFile, name, "ranges", m.table.Load().Size())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.file.News(); err != nil {
		log.Error("address list not read, what was read before stays", keyFile, name, keyError, err)
	}
}

// refresh reads the file if it has changed, and reports whether another table is used.
func (m *Matcher) refresh() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.file.Look() {
		return false
	}
	m.table.Store(m.file.Value())
	return true
}

// The keys of what is logged.
const (
	keyFile  = "file"
	keyError = "error"
)
