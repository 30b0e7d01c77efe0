// Package e2e holds tests of the whole: an engine with every builtin, real programs
// as clients and servers, real sockets. It has no code of its own.
package e2e
