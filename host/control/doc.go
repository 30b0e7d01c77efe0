// Package control is how an operator talks to a running dwaar: a Unix socket that
// only its owner may open, HTTP and JSON on it, and the client of the command line.
//
//	socket, err := control.ListenFirst(control.Paths(os.Getenv))
//	…
//	server := &control.Server{Program: program, Log: log}
//	err = server.Serve(ctx, socket)            // until ctx ends
//
//	client := control.NewClient(socket.Path())
//	reloaded, err := client.Reload(ctx)        // sdk.Errors, with their places
//
// Any HTTP client does: curl --unix-socket /run/dwaar.sock http://dwaar/status
//
// The package reads no configuration: what it tells and does comes from a
// [Program], which the wiring fills in and a test fakes. What goes over the socket
// has types of its own; its names and units are a promise.
package control
