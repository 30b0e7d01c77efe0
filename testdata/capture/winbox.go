//go:build ignore

// Winbox writes first messages of MikroTik WinBox, made by its published description:
// there is no client of it that could be captured. See testdata/flights/winbox.
//
//	go run winbox.go ../flights/winbox
package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	for file, name := range map[string]string{
		"standard.bin":   "toms",
		"romon.bin":      "toms+r",
		"one-letter.bin": "a",
		"domain.bin":     `EXAMPLE\Edgars.Bērziņš`,
		"chunk-full.bin": strings.Repeat("n", 221), // fills one chunk
		"chunk-two.bin":  strings.Repeat("n", 222), // the parity is in the second one
		"chunk-name.bin": strings.Repeat("n", 255) + "+r",
	} {
		if err := os.WriteFile(filepath.Join(os.Args[1], file), chunks(message(name)), 0o644); err != nil {
			log.Fatalf("writing: %v", err)
		}
	}
}

// message is a name and a public key: the x coordinate on Curve25519 in Montgomery
// form, the most significant byte first, and the parity of y, which is a coin's.
func message(name string) []byte {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		log.Fatalf("making a key: %v", err)
	}
	x := key.PublicKey().Bytes()
	slices.Reverse(x)
	m := append([]byte(name), 0)
	m = append(m, x...)
	return append(m, x[len(x)-1]&1)
}

// chunks cuts a message into pieces of at most 255 bytes.
func chunks(m []byte) []byte {
	var all []byte
	kind := byte(6)
	for piece := range slices.Chunk(m, 255) {
		all = append(all, byte(len(piece)), kind)
		all = append(all, piece...)
		kind = 255
	}
	return all
}
