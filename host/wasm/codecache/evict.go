package codecache

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// evict removes the entries that were used the longest ago until the others are within
// the limit, but never the one that was just made; and what others began to write and
// never finished.
func (d *Dir) evict(fresh string) error {
	list, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("listing compiled code: %w", err)
	}
	var entries []fs.FileInfo
	var total int64
	for _, e := range list {
		info, err := e.Info()
		switch {
		case err != nil: // another process removed it
		case strings.HasSuffix(e.Name(), partial) && time.Since(info.ModTime()) > abandoned:
			_ = d.root.Remove(e.Name()) // another process may have been faster
		case strings.HasSuffix(e.Name(), suffix):
			total += info.Size()
			entries = append(entries, info)
		}
	}
	slices.SortFunc(entries, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	for _, e := range entries {
		if total <= d.limit {
			break
		}
		if e.Name() != fresh {
			_ = d.root.Remove(e.Name()) // the same
			total -= e.Size()
		}
	}
	return nil
}
