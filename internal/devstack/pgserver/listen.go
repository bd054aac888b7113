package pgserver

import (
	"fmt"
	"net"
	"net/netip"
	"os"
)

// maxSocketDir leaves room for the socket's name in the 107 bytes that the system allows.
const maxSocketDir = 90

func (s *Server) makeSocketDir() error {
	if s.ownSocket {
		dir, err := os.MkdirTemp("", "lbpg")
		if err != nil {
			return fmt.Errorf("make folder of the Unix socket: %w", err)
		}
		s.socketDir = dir
	} else if err := os.MkdirAll(s.socketDir, 0o700); err != nil {
		return fmt.Errorf("make folder of the Unix socket: %w", err)
	}
	if len(s.socketDir) > maxSocketDir {
		return fmt.Errorf("make folder of the Unix socket: %q is longer than %d bytes: choose a shorter path", s.socketDir, maxSocketDir)
	}
	return Own(s.socketDir)
}

func (s *Server) removeSocketDir() {
	if s.ownSocket {
		_ = os.RemoveAll(s.socketDir)
	}
}

// choosePort finds a free port by binding it, unless one was asked for.
func choosePort(addr netip.AddrPort) (uint16, error) {
	if addr.Port() != 0 {
		return addr.Port(), nil
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return 0, fmt.Errorf("choose a free port on %s: %w", addr.Addr(), err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port(), nil
}

// logSince reads what was added to a log; on failure it is empty, as it only explains another error.
func logSince(path string, offset int64) string {
	b, err := os.ReadFile(path)
	if err != nil || int64(len(b)) < offset {
		return ""
	}
	return string(b[offset:])
}
