// Package flighttest gives tests of matchers the first flights of real clients, as they
// are kept below testdata/flights, one directory for each protocol.
//
//	own := flighttest.Own(t, "ssh")         // by the file's name without .bin
//	foreign := flighttest.Foreign(t, "ssh") // by directory and name: "tls/chromium"
package flighttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is testdata/flights, seen from a package two levels below the module.
const root = "../../testdata/flights"

// Own returns the flights of one protocol. The test ends if there are none.
func Own(t testing.TB, protocol string) map[string][]byte {
	t.Helper()
	own := map[string][]byte{}
	for name, flight := range all(t) {
		if dir, base, _ := strings.Cut(name, "/"); dir == protocol {
			own[base] = flight
		}
	}
	if len(own) == 0 {
		t.Fatalf("there is no flight of %s", protocol)
	}
	return own
}

// Foreign returns the flights of all other protocols.
func Foreign(t testing.TB, protocol string) map[string][]byte {
	t.Helper()
	foreign := map[string][]byte{}
	for name, flight := range all(t) {
		if dir, _, _ := strings.Cut(name, "/"); dir != protocol {
			foreign[name] = flight
		}
	}
	if len(foreign) == 0 {
		t.Fatalf("there is no flight of another protocol than %s", protocol)
	}
	return foreign
}

func all(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(root + "/*/*.bin")
	if err != nil {
		t.Fatal(err)
	}
	flights := map[string][]byte{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(root, strings.TrimSuffix(file, ".bin"))
		flights[filepath.ToSlash(name)] = b
	}
	return flights
}
