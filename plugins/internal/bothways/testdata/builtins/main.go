// Command builtins is a module whose matchers are those that are built into dwaar. A
// configuration has their options in the block: builtins.tls { sni a.example.com }.
package main

import (
	"unsafe"

	"dwaar.dev/dwaar/builtin/http"
	"dwaar.dev/dwaar/builtin/postgres"
	"dwaar.dev/dwaar/builtin/ssh"
	"dwaar.dev/dwaar/builtin/tls"
	"dwaar.dev/dwaar/sdk/guest/entry"
)

var (
	_ = entry.Add("http", http.New)
	_ = entry.Add("postgres", postgres.New)
	_ = entry.Add("ssh", ssh.New)
	_ = entry.Add("tls", tls.New)
)

func main() {} // never runs

//go:wasmexport dwaar_v1_init_http
func initHTTP(config unsafe.Pointer, size uint32) int32 { return entry.Init("http", config, size) }

//go:wasmexport dwaar_v1_match_http
func matchHTTP(head unsafe.Pointer, size uint32, info unsafe.Pointer) int32 {
	return entry.Match("http", head, size, info)
}

//go:wasmexport dwaar_v1_init_postgres
func initPostgres(config unsafe.Pointer, size uint32) int32 {
	return entry.Init("postgres", config, size)
}

//go:wasmexport dwaar_v1_match_postgres
func matchPostgres(head unsafe.Pointer, size uint32, info unsafe.Pointer) int32 {
	return entry.Match("postgres", head, size, info)
}

//go:wasmexport dwaar_v1_init_ssh
func initSSH(config unsafe.Pointer, size uint32) int32 { return entry.Init("ssh", config, size) }

//go:wasmexport dwaar_v1_match_ssh
func matchSSH(head unsafe.Pointer, size uint32, info unsafe.Pointer) int32 {
	return entry.Match("ssh", head, size, info)
}

//go:wasmexport dwaar_v1_init_tls
func initTLS(config unsafe.Pointer, size uint32) int32 { return entry.Init("tls", config, size) }

//go:wasmexport dwaar_v1_match_tls
func matchTLS(head unsafe.Pointer, size uint32, info unsafe.Pointer) int32 {
	return entry.Match("tls", head, size, info)
}
