package faults

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/realtest"
)

// fault is a change to one file that some test must find.
type fault struct {
	name     string
	file     string // below the module's root
	old, new string // old stands in the file exactly once
	pkg      string // whose tests find it
	run      string // which of them; "": all
}

func faults() []fault {
	const graph, route, laws = "./host/graph", "./host/route", "Laws|Routes|Served|Lookup|Silent|Full"
	return []fault{
		{"And prefers Unknown to No", "sdk/verdict.go", "	case a.Verdict == No:\n		return 4", "	case a.Verdict == No:\n		return 0", route, laws},
		{"And prefers an error to Need", "sdk/verdict.go", "func rankAnd(a Answer) int {\n	switch {\n	case a.Err != nil:\n		return 2", "func rankAnd(a Answer) int {\n	switch {\n	case a.Err != nil:\n		return 5", route, laws},
		{"Not turns Unknown into Yes", "sdk/verdict.go", "	case a.Verdict > 0:\n		return Answer{Verdict: No}\n	}\n	return a\n}\n\n// Final", "	case a.Verdict > 0:\n		return Answer{Verdict: No}\n	case a.Verdict == Unknown:\n		return Answer{Verdict: Yes}\n	}\n	return a\n}\n\n// Final", route, laws},
		{"at the end Need becomes No", "sdk/verdict.go", "		return Answer{Verdict: Unknown}\n	}\n	return a\n}\n\n// Decided", "		return Answer{Verdict: No}\n	}\n	return a\n}\n\n// Decided", route, laws},
		{"Need is off by one", "sdk/verdict.go", "	return Verdict(-n)", "	return Verdict(-n - 1)", "./sdk", ""},
		{"a later route that is ready wins", "host/route/walk.go", "a.Err != nil || !a.Decided() || a.Verdict == sdk.Yes", "a.Err != nil || a.Verdict == sdk.Yes", route, laws},
		{"an error is looked at last", "host/route/walk.go", "a.Err != nil || !a.Decided()", "!a.Decided()", route, laws},
		{"the final pick is forgotten", "host/session/phase.go", "	p.Final = why\n", "	return host.ErrNoRoute\n", graph, laws},
		{"a decided matcher is asked again", "host/route/cond.go", "e.known(entry) && entry.answer.Decided()", "false", route, ""},
		{"a matcher is asked before its bytes are there", "host/route/cond.go", "	return len(e.flow.Head) < entry.answer.Verdict.NeedBytes()", "	return false", route, ""},
		{"facts of those that did not match are kept", "host/route/cond.go", "	e.memo.forget(mark)\n	return sdk.Answer{Verdict: lawful", "	return sdk.Answer{Verdict: lawful", route, ""},
		{"facts under a negation count", "host/route/route.go", "	case All:\n		for i := range c.Kids {\n			to =", "	case All, Not:\n		for i := range c.Kids {\n			to =", route, ""},
		{"a reader is asked before its supplier", "host/route/cond.go", "			return a // the facts that it reads are not there yet", "			break", graph, ""},
		{"a Need beyond the head waits", "host/route/cond.go", "	case n > f.MaxHead && f.MaxHead > 0:", "	case false:", route, ""},
		{"the first byte is tested in the wrong word", "host/route/cond.go", "set[b>>6]", "set[b>>7]", route, ""},
		{"one of two routes with a name is forgotten", "host/route/names.go", "n == at || x.all[n-1] != entries[i].route", "n == at", route, "Groups"},
		{"a range inside a range hides it", "host/route/names.go", "			route = min(route, i)", "			_ = i", route, "Groups"},
		{"what a lookup finds is asked out of order", "host/route/names.go", "		slices.Sort(tail)\n", "", route, "Groups"},
		{"a key that is not there yet rules a route out whose other members may match", "host/route/walk.go", "	case a.Verdict == sdk.No:\n		c.rest = nil", "	case a.Verdict != sdk.Yes:\n		c.rest = nil", route, "Groups"},
		{"a walk from the middle takes a range before it", "host/route/walk.go", "g.finder == nil || g.single && int(g.routes[0]) < from", "g.finder == nil", route, "Groups"},
		{"a pattern demands what only one of its branches has", "host/route/patterns.go", "		if n.branches == nil || len(all", "		if len(all", route, "Pattern|Groups"},
		{"the Kelvin sign is no k", "host/route/patterns.go", "lower != 'k' && lower != 's'", "lower != 's'", route, "Pattern"},
		{"a memo that grew forgets", "host/route/memo.go", "			*m.entry(int(e.inst)) = *e\n", "			_ = e\n", route, "Memo"},
		{"an inner phase has a new deadline on the same bytes", "host/session/head.go", "	if !own && h.phased {", "	if false {", "./host/session", "Phase"},
		{"what was discarded is read again", "host/session/head.go", "	h.off += n\n", "", "./host/session", "Peeked"},
		{"a probe is taken for a client", "host/session/phase.go", "		return host.End(host.ByClient, host.Probe, nil)", "		return nil", graph, laws},
		{"Need and No are swapped in ssh", "builtin/ssh/ssh.go", "	return sdk.Need(len(f.Head) + 1), nil", "	return sdk.No, nil", "./builtin/ssh", ""},
		{"ssh takes a line one byte too long", "builtin/ssh/ssh.go", "	maxLine = 255 // with its end", "	maxLine = 256 // with its end", "./builtin/ssh", ""},
		{"tls reads records off by one", "builtin/tls/records.go", "	s.at += headerLen\n", "	s.at += headerLen - 1\n", "./builtin/tls", ""},
		{"tls takes a record for the whole hello", "builtin/tls/records.go", "	if s.records++; s.records == 2 {", "	if s.records++; s.records == 3 {", "./builtin/tls", ""},
		{"tls asks for a byte too many", "builtin/tls/records.go", "sdk.Need(s.at + min(need-s.length(), s.left+1))", "sdk.Need(s.at + 1 + min(need-s.length(), s.left+1))", "./builtin/tls", "Law|Planted|Cut"},
		{"postgres takes a message before it is whole", "builtin/postgres/message.go", "	if len(head) < length {", "	if len(head) < length-1 {", "./builtin/postgres", ""},
		{"what another connection's matchers said is remembered", "host/route/memo.go", "	if m.phase++; m.phase == 0 {", "	if m.phase == 0 {", route, ""},
		{"first bytes are sent twice", "host/session/connect.go", "first[min(in.N, len(first)):]", "first[0:]", "./host/engine", "Heads|First"},
		{"a connection that lands is not killed", "host/session/goroutine.go", "	s.Hold(&g.link)\n", "", "./host/engine", "Kills"},
		{"an attempt that is under way is forgotten", "host/session/end.go", "	u.course.Drop()\n", "", "./host/session", "Random"},
		{"outer bytes are taken for parsed inside", "sdk/flow.go", "fresh.facts, fresh.parsed = nil, nil, nil, nil", "fresh.facts = nil, nil, nil", "./sdk", "Fresh|Anew"},
		{"what is there already is waited for", "host/route/cond.go", "	case n <= len(f.Head):", "	case n < len(f.Head):", "./host/route", "Needed"},
		{"forgotten facts take room", "host/route/arena.go", "		a.bytes = a.bytes[:a.items[n].at]\n", "", "./host/route", "Facts"},
		{"a continued phase has a deadline of its own", "host/route/phase.go", "rs.list.Own && rs.from == 0", "rs.list.Own", "./host/route", "Deadline"},
		{"a full upstream loses its trial", "host/upstream/upstream.go", "		u.endTrial(trial)\n		return false, false", "		return false, false", "./host/upstream", "Trial"},
		{"a PROXY header names the proxy as the client", "builtin/proxy/header.go", "v.header(f.Remote, f.Local)", "v.header(f.Local, f.Remote)", "./builtin/proxy", "Header"},
		{"a check leaks its connection", "builtin/proxy/check.go", "	defer conn.Close()\n", "", "./builtin/proxy", "EveryCheck|Parting"},
		{"a reload drains what it brings", "host/engine/drain.go", "if o.number < gen.number {", "if o.number <= gen.number {", "./host/engine", "BeforeItOnly"},
		{"who is refused keeps the configuration", "host/engine/conn.go", "		t.gen.graph.Release()\n", "", "./host/engine", "RefusedKeeps"},
		{"what a failed write took is not counted", "host/relay/half.go", "	h.n.Add(int64(n))\n	h.l.touch()\n	if err == nil {\n", "	h.l.touch()\n	if err == nil {\n		h.n.Add(int64(n))\n", "./host/relay", "Parts"},
		{"an idle pair keeps its pipe", "host/loop/pump_linux.go", "	if src.piped == 0 {\n		r.returnPipe(src)\n	}\n", "", "./host/loop", "IdlePair"},
		{"a detached client stays in the epoll", "host/loop/client_linux.go", "		_ = control(r.epoll, unix.EPOLL_CTL_DEL, end.fd, 0, key{})\n", "", "./host/loop", "Epoll"},
		{"a kill before the loop has the client is lost", "host/loop/session_linux.go", "early != 0 && l.slot != none", "false && early != 0", "./host/loop", "TakenIn"},
		{"a kill before Hold is lost", "host/session/session.go", "	if code := s.killed.Load(); code != nil {", "	if code := s.killed.Load(); false {", "./host/session", "AKill"},
		{"the last route is logged", "host/session/conn.go", "		case need == 0:\n			return r, nil", "		case need == 0:\n			if r != nil {\n				c.s.route.Store(r.Title())\n			}\n			return r, nil", "./host/engine", "FirstRoute"},
		{"further descriptors are in no crowd", "host/engine/internal/crowd/ledger.go", "		t.shard.add(t.crowd, Conns, more)\n", "", "./host/engine/internal/crowd", "Descriptors"},
		{"a chain that does not end stops", "host/route/route.go", "		if !r.Chain.ends && i+1 < len(l.Routes) {", "		if false {", graph, laws},
	}
}

// Each fault is planted alone, and each is found.
func TestEveryPlantedFaultIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds every package under test once for each fault")
	}
	t.Parallel()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			out, failed := plant(t, root, f)
			switch {
			case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
				t.Fatalf("the fault does not compile:\n%s", out)
			case !failed:
				t.Errorf("%s passes with it:\n%s", f.pkg, out)
			case !strings.Contains(out, "FAIL"):
				t.Fatalf("the tests were not run:\n%s", out)
			}
		})
	}
}

// plant runs the tests with the fault in place of the file and reports whether they
// failed.
func plant(t *testing.T, root string, f fault) (out string, failed bool) {
	t.Helper()
	path := filepath.Join(root, f.file)
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(src), f.old); n != 1 {
		t.Fatalf("%s holds the text to replace %d times: bring the fault up to date", f.file, n)
	}
	dir := t.TempDir()
	bad := filepath.Join(dir, filepath.Base(f.file))
	if err := os.WriteFile(bad, []byte(strings.Replace(string(src), f.old, f.new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: bad}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), realtest.Deadline(t))
	defer cancel()
	// A fault may make a test take memory without end: 8 GiB of addresses end that.
	cmd := exec.CommandContext(ctx, "sh", "-c", `ulimit -v 8388608; exec "$@"`, "sh",
		"go", "test", "-count=1", "-vet=off", "-timeout=60s", "-overlay", list, "-run", f.run, f.pkg)
	cmd.Dir = root
	got, err := cmd.CombinedOutput()
	return string(got), err != nil
}
