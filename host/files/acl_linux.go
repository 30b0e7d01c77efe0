package files

import "syscall"

// hasACL reports whether a file has a list of users that may read it, as systemd gives
// one to credentials. The bits of the group are not the group's then, but the most that
// anybody in the list may do (acl(5)).
func hasACL(name string) bool {
	n, err := syscall.Getxattr(name, "system.posix_acl_access", nil)
	return err == nil && n > 0
}
