package upstream

import (
	"os"
	"syscall"
)

// bindAddressNoPort is IP_BIND_ADDRESS_NO_PORT of linux/in.h.
const bindAddressNoPort = 24

// lateBind has the kernel choose the local port in connect, when the destination is
// known, so that one local address serves 28,000 connections per upstream instead of
// 28,000 in all.
func lateBind(raw syscall.RawConn) error {
	return setOption(raw, syscall.IPPROTO_IP, bindAddressNoPort)
}

// sharePort lets connections to different addresses have one local port.
func sharePort(raw syscall.RawConn) error {
	return setOption(raw, syscall.SOL_SOCKET, syscall.SO_REUSEADDR)
}

func setOption(raw syscall.RawConn, level, option int) error {
	var failed error
	err := raw.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), level, option, 1) })
	if err != nil {
		return err
	}
	return os.NewSyscallError("setsockopt", failed)
}

// bindAnyName has the kernel give a Unix socket a name of its own before it connects
// (unix(7), "Autobind feature"), by which the other side knows it.
func bindAnyName(raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) { failed = syscall.Bind(int(fd), &syscall.SockaddrUnix{}) })
	if err != nil {
		return err
	}
	return os.NewSyscallError("bind", failed)
}
