package wasm

import (
	"bytes"
	"os"
	"strconv"
)

// proc returns how many mappings this process has, and how many bytes are resident;
// 0 where that cannot be read.
func proc() (mappings, resident int) {
	if maps, err := os.ReadFile("/proc/self/maps"); err == nil {
		mappings = bytes.Count(maps, []byte{'\n'})
	}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(statm); len(fields) > 1 {
			pages, _ := strconv.Atoi(string(fields[1]))
			resident = pages * os.Getpagesize()
		}
	}
	return mappings, resident
}

// descriptors returns how many are open.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
