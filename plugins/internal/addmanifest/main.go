// Command addmanifest adds a manifest to a module: the custom section dwaar.manifest,
// in which it says what it is called, what its matchers do, and which facts they set
// (sdk/abi/ABI.md, "The manifest").
//
//	go run ./plugins/internal/addmanifest manifest.json redis.wasm
//
// The module is written again with the section at its end. It must not have one yet.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"dwaar.dev/dwaar/sdk/abi"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: addmanifest MANIFEST.json MODULE.wasm")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "addmanifest:", err)
		os.Exit(1)
	}
}

func run(manifest, module string) error {
	text, err := os.ReadFile(manifest)
	if err != nil {
		return fmt.Errorf("reading the manifest: %w", err)
	}
	wasm, err := os.ReadFile(module)
	if err != nil {
		return fmt.Errorf("reading the module: %w", err)
	}
	out, err := add(text, wasm)
	if err != nil {
		return fmt.Errorf("adding %s to %s: %w", manifest, module, err)
	}
	return os.WriteFile(module, out, 0o644)
}

// add returns the module with the manifest, without its white space, behind it.
func add(manifest, module []byte) ([]byte, error) {
	var text bytes.Buffer
	if err := json.Compact(&text, manifest); err != nil {
		return nil, err
	}
	if text.Len() > abi.MaxManifest {
		return nil, fmt.Errorf("it has %d bytes, more than %d", text.Len(), abi.MaxManifest)
	}
	if !bytes.HasPrefix(module, []byte("\x00asm\x01\x00\x00\x00")) {
		return nil, errors.New("that is no WebAssembly module")
	}
	if bytes.Contains(module, []byte(abi.ManifestSection)) {
		return nil, errors.New("it has one already")
	}
	body := binary.AppendUvarint(nil, uint64(len(abi.ManifestSection)))
	body = append(append(body, abi.ManifestSection...), text.Bytes()...)
	out := binary.AppendUvarint(append(bytes.Clone(module), 0), uint64(len(body)))
	return append(out, body...), nil
}
