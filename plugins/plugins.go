// Package plugins carries the modules that dwaar is shipped with: those that the
// demonstration uses, so that it works wherever it is started.
//
//	h := wasm.New(wasm.Options{Files: plugins.Files{}})   // plugin redis plugins/redis/redis.wasm
//
// The directories below are the plugins, each with its source, its module and its
// tests; README.md lists them.
package plugins

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed redis/redis.wasm
var embedded embed.FS

// Files holds the modules under the names that they have from the top of the
// repository: plugins/redis/redis.wasm.
type Files struct{}

// Open implements [fs.FS].
func (Files) Open(name string) (fs.File, error) {
	below, ok := strings.CutPrefix(name, "plugins/")
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return embedded.Open(below)
}
