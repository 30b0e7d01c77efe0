package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// explain returns the error of a bind with what to do about it.
func explain(err error, at Spec) error {
	cause := causeOf(err)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: %s", cause, holder(at))
	case errors.Is(err, syscall.EACCES) && at.Path == "":
		return fmt.Errorf("%w: ports below 1024 need the capability CAP_NET_BIND_SERVICE "+
			"(systemd: AmbientCapabilities=), or let the service manager open the socket and name it fd/N", cause)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: the directory of %s must be writable for this user", cause, at.Path)
	case errors.Is(err, syscall.EINVAL) && at.Addr.Addr().Zone() != "":
		return fmt.Errorf("%w: there is no interface %s with the address %s", cause, at.Addr.Addr().Zone(), at.Addr.Addr().WithZone(""))
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: no interface of this machine has the address %s: correct it, or leave it out to listen on all",
			cause, at.Addr.Addr())
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("%w: make the directory of %s first", cause, at.Path)
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("%w: raise the descriptor limit (ulimit -n, systemd: LimitNOFILE=)", cause)
	}
	return cause
}

// causeOf takes the operation and the address off an error: whoever reports it says them.
func causeOf(err error) error {
	cause := err
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		cause = op.Err
	}
	var sys *os.SyscallError
	if errors.As(cause, &sys) {
		cause = sys.Err
	}
	return cause
}

// holder says who has the address and what to do about it.
func holder(at Spec) string {
	who, self := findHolder(at)
	switch {
	case self:
		return "this program holds it already"
	case who != "":
		return "held by " + who + ": stop it or choose another address"
	case at.Path != "":
		return "another program listens there: find it with `ss -lxp`, stop it or choose another path"
	}
	return fmt.Sprintf("held by another program: find it with `ss -ltnp 'sport = :%d'`, stop it or choose another address",
		at.Addr.Port())
}
