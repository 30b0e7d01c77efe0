package files_test

import (
	"encoding/binary"
	"errors"
	"os"
	"syscall"
	"testing"

	"dwaar.dev/dwaar/host/files"
)

// A file that one more user may read, as systemd has its credentials, shows r for the
// group: it is the mask of the list.
func TestAMaskOfAnAccessListIsNotTheGroup(t *testing.T) {
	t.Parallel()
	name := put(t, "", 0o600)
	list := binary.LittleEndian.AppendUint32(nil, 2) // POSIX_ACL_XATTR_VERSION
	for _, entry := range [...]struct {
		tag, perm uint16
		id        uint32
	}{
		{0x01, 6, ^uint32(0)}, // the owner
		{0x02, 4, 4711},       // a user
		{0x04, 0, ^uint32(0)}, // the group
		{0x10, 4, ^uint32(0)}, // the mask
		{0x20, 0, ^uint32(0)}, // all others
	} {
		list = binary.LittleEndian.AppendUint16(list, entry.tag)
		list = binary.LittleEndian.AppendUint16(list, entry.perm)
		list = binary.LittleEndian.AppendUint32(list, entry.id)
	}
	err := syscall.Setxattr(name, "system.posix_acl_access", list, 0)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		t.Skip("this file system has no access lists")
	}
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := files.Readers(name, info); info.Mode().Perm() != 0o640 || got != "" {
		t.Errorf("mode %v: readable by %q", info.Mode(), got)
	}
}
