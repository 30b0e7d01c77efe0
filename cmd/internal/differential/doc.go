// Package differential holds tests that compare what matchers say with what real
// servers do. It has no code of its own.
//
// A matcher may say No only to bytes that no server of its protocol goes on with:
// otherwise a `not` in front of a server admits clients that the server takes. The tests
// change captures of real clients, collect the inputs to which a matcher says No, and
// send those to servers. A server that goes on with one is a find, and fails the test.
// Finds are kept below testdata/finds and tried again on every run.
//
// A further matcher joins by one entry in the table subjects: the protocol, the matcher, the
// captures, what changes them, and the servers.
package differential
