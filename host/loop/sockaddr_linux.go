package loop

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockaddr is an address in the kernel's form. Each loop reuses one, so that none is
// allocated.
type sockaddr struct {
	raw unix.RawSockaddrInet6 // room for IPv4 as well; the name of a Unix socket is cut off
	len uint32
}

// set sets a to an IP address and a port.
func (a *sockaddr) set(ip netip.Addr, port uint16) {
	a.raw = unix.RawSockaddrInet6{}
	if ip.Is4() {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw))
		v4.Family, v4.Addr = unix.AF_INET, ip.As4()
		a.len = unix.SizeofSockaddrInet4
	} else {
		a.raw.Family, a.raw.Addr, a.raw.Scope_id = unix.AF_INET6, ip.As16(), scope(ip.Zone())
		a.len = unix.SizeofSockaddrInet6
	}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&a.raw.Port))[:], port) // at the same place in both
}

// addrPort returns a without zone, an IPv4 address never as IPv6; the zero value for
// other families.
func (a *sockaddr) addrPort() netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&a.raw.Port))[:])
	switch a.raw.Family {
	case unix.AF_INET:
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.raw.Addr).Unmap(), port)
	}
	return netip.AddrPort{}
}

// scope returns the number of an interface by its name, 0 for none.
func scope(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}

// accept accepts a client and its address. The descriptor is none of the first three: a
// broken pipe on descriptor 1 or 2 ends the process.
func accept(listener int32, from *sockaddr) (int32, unix.Errno) {
	for {
		from.raw.Family, from.len = unix.AF_UNSPEC, uint32(unsafe.Sizeof(from.raw))
		fd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&from.raw)),
			uintptr(unsafe.Pointer(&from.len)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return aboveStandard(int32(fd))
		case unix.EINTR:
		default:
			return none, errno
		}
	}
}

// socket makes a stream socket. The descriptor is none of the first three.
func socket(family int) (int32, unix.Errno) {
	fd, _, errno := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if errno != 0 {
		return none, errno
	}
	return aboveStandard(int32(fd))
}

// aboveStandard replaces fd if it is one of the first three.
func aboveStandard(fd int32) (int32, unix.Errno) {
	if fd > 2 {
		return fd, 0
	}
	higher, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	_ = unix.Close(int(fd))
	if err != nil {
		errno, _ := err.(unix.Errno)
		return none, errno
	}
	return int32(higher), 0
}

// connect begins to connect. EINTR counts as EINPROGRESS: the kernel goes on.
func connect(fd int32, to *sockaddr) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to.raw)), uintptr(to.len))
	if errno == unix.EINTR {
		return unix.EINPROGRESS
	}
	return errno
}

// bind gives fd an address.
func bind(fd int32, to *sockaddr) error {
	_, _, errno := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&to.raw)), uintptr(to.len))
	if errno != 0 {
		return errno
	}
	return nil
}

// sockName asks for the local address of fd.
func sockName(fd int32, a *sockaddr) unix.Errno {
	a.raw.Family, a.len = unix.AF_UNSPEC, uint32(unsafe.Sizeof(a.raw))
	_, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)), uintptr(unsafe.Pointer(&a.len)))
	return errno
}
