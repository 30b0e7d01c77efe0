package listen

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// findHolder returns the program that listens at an address, "nginx (pid 4711)",
// as far as /proc tells this user, and whether it is this process.
func findHolder(at Spec) (who string, self bool) {
	inodes := map[string]bool{}
	if at.Path != "" {
		unixInodes(at.Path, inodes)
	} else {
		tcpInodes("/proc/net/tcp", at.Addr.Port(), inodes)
		tcpInodes("/proc/net/tcp6", at.Addr.Port(), inodes)
	}
	if len(inodes) == 0 {
		return "", false
	}
	pid := processWith(inodes)
	if pid == "" {
		return "", false
	}
	name, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
	if err != nil {
		name = []byte("a process")
	}
	return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(name)), pid), pid == strconv.Itoa(os.Getpid())
}

// tcpInodes collects the sockets that listen on a port. The fields are those of
// proc_pid_net(5): 1 is ADDRESS:PORT in hexadecimal, 3 the state, 9 the inode.
func tcpInodes(file string, port uint16, found map[string]bool) {
	const listen = "0A"
	suffix := fmt.Sprintf(":%04X", port)
	eachLine(file, func(f []string) {
		if len(f) > 9 && f[3] == listen && strings.HasSuffix(f[1], suffix) {
			found[f[9]] = true
		}
	})
}

// unixInodes collects the sockets bound to a path: field 6 is the inode, 7 the
// path.
func unixInodes(path string, found map[string]bool) {
	eachLine("/proc/net/unix", func(f []string) {
		if len(f) > 7 && f[7] == path {
			found[f[6]] = true
		}
	})
}

func eachLine(file string, visit func(fields []string)) {
	f, err := os.Open(file)
	if err != nil {
		return // no /proc: nobody can tell
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		visit(strings.Fields(lines.Text()))
	}
}

// processWith returns the number of a process that has one of the sockets open.
func processWith(inodes map[string]bool) (pid string) {
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, link := range links {
		to, err := os.Readlink(link)
		if err != nil {
			continue // of another user, or gone
		}
		inode, ok := strings.CutPrefix(to, "socket:[")
		if ok && inodes[strings.TrimSuffix(inode, "]")] {
			return strings.Split(link, "/")[2]
		}
	}
	return ""
}
