// Package hosttest is what tests of handlers stand on: a [host.Builder] that keeps
// what it is told, and a [Server] that gives accepted connections to a handler, as
// the engine does, without routes.
//
//	b := &hosttest.Builder{}
//	h, err := echo.New(b, &sdk.Node{Name: "echo"})
//	…
//	s := hosttest.Serve(t, h, nil)
//	conn, err := net.Dial("tcp", s.Addr)
//	…
//	outcome := s.Outcome(t)
package hosttest
