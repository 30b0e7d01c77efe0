// Package faults tests the tests: it plants one fault at a time into a copy of a
// source file and demands that the suite of a package finds it. It has no code
// of its own beside its test.
package faults
