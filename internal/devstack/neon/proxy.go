package neon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// proxy listens on an endpoint's address for as long as the endpoint exists and carries bytes to its server.
// It looks into nothing: encryption reaches from the client to PostgreSQL, and both sides being TCP, the kernel
// copies. (Over a Unix socket PostgreSQL speaks no TLS.)
type proxy struct {
	listener *net.TCPListener

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

// wakeTimeout is how long a connection waits for its compute.
const wakeTimeout = 2 * time.Minute

// openProxy gives an endpoint its address, a new one unless it has one, and listens there; the lock is held.
func (e *Emulator) openProxy(p *project, ep *endpoint) error {
	listener, err := e.listen(ep)
	if err != nil {
		return err
	}
	px := &proxy{listener: listener, conns: map[net.Conn]bool{}}
	e.proxies[ep.ID] = px
	e.work.Go(func() {
		for {
			conn, err := listener.AcceptTCP()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // out of file descriptors, for example
				e.log.Warn("endpoint cannot accept", "endpoint", ep.ID, "error", err)
				if sleep(e.ctx, 100*time.Millisecond) != nil {
					return
				}
				continue
			}
			e.work.Go(func() { e.carry(p, ep, px, conn) })
		}
	})
	return nil
}

func (e *Emulator) listen(ep *endpoint) (*net.TCPListener, error) {
	if ep.Address.IsValid() {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(ep.Address, e.cfg.Port)))
		if err != nil {
			return nil, fmt.Errorf("listen for endpoint %s: %w (does another emulator or PostgreSQL hold the address?)", ep.ID, err)
		}
		return l, nil
	}
	taken := map[netip.Addr]bool{}
	for _, p := range e.state.Projects {
		for _, other := range p.Endpoints {
			taken[other.Address] = true
		}
	}
	prefix := e.cfg.Addresses.Masked()
	for addr := prefix.Addr().Next(); prefix.Contains(addr); addr = addr.Next() {
		if taken[addr] {
			continue
		}
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, e.cfg.Port)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listen for endpoint %s: %w", ep.ID, err)
		}
		ep.Address = addr
		return l, nil
	}
	return nil, fmt.Errorf("find an address for endpoint %s: all of %s with port %d are taken", ep.ID, prefix, e.cfg.Port)
}

// closeProxy ends an endpoint's address and sessions; the lock is held.
func (e *Emulator) closeProxy(id string) {
	if px := e.proxies[id]; px != nil {
		px.close()
		delete(e.proxies, id)
	}
}

// carry serves one connection to its end.
func (e *Emulator) carry(p *project, ep *endpoint, px *proxy, client *net.TCPConn) {
	defer client.Close()
	if !px.add(client) {
		return
	}
	defer px.remove(client)
	first, ok := greeting(client)
	if !ok {
		return
	}
	server, err := e.reach(p, ep, first)
	if err != nil {
		e.log.Debug("connection refused", "endpoint", ep.ID, "reason", err)
		e.refuse(client, first, err)
		return
	}
	defer server.Close()
	if _, err := server.Write(first); err != nil {
		return
	}
	if !px.add(server) {
		return
	}
	defer px.remove(server)
	e.touch(ep)
	done := make(chan struct{})
	go func() {
		defer close(done)
		transfer(server, client)
	}()
	transfer(client, server)
	<-done
	e.touch(ep)
}

const (
	// greetingSize is the length and the code that every connection of PostgreSQL's protocol begins with.
	greetingSize = 8
	// cancelCode is that of a request to cancel a query.
	cancelCode = 1234<<16 | 5678
	// greetingTimeout bounds the wait for it, as PostgreSQL's authentication_timeout does.
	greetingTimeout = time.Minute
)

// greeting reads what a client says first: who says nothing wakes nothing.
func greeting(client net.Conn) ([]byte, bool) {
	first := make([]byte, greetingSize)
	_ = client.SetReadDeadline(time.Now().Add(greetingTimeout))
	if _, err := io.ReadFull(client, first); err != nil {
		return nil, false
	}
	_ = client.SetReadDeadline(time.Time{})
	return first, true
}

// isCancel says whether a client wants no session but a query cancelled.
func isCancel(first []byte) bool { return binary.BigEndian.Uint32(first[4:]) == cancelCode }

// transfer copies one direction and passes its end on.
func transfer(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		// One side has gone the hard way: so must the other.
		_ = to.Close()
		_ = from.Close()
		return
	}
	_ = to.CloseWrite()
}

var errDisabled = errors.New("endpoint is disabled. Enable it using Neon API and retry.") //nolint:revive,staticcheck // the words of Neon's proxy

var errNothingToCancel = errors.New("the compute is suspended: there is nothing to cancel")

// reach connects to an endpoint's server, waking it when it is suspended. Drivers send a request to cancel after
// their session broke: a plain one does not wake the compute that has just been suspended. One inside TLS, as pgx
// and libpq 17 send it, cannot be told from a new session and does.
func (e *Emulator) reach(p *project, ep *endpoint, first []byte) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(e.ctx, wakeTimeout)
	defer cancel()
	for {
		e.mu.Lock()
		disabled, addr := ep.Disabled && !e.probing(ep), e.backend(p, ep)
		e.mu.Unlock()
		if disabled {
			return nil, errDisabled
		}
		if addr.IsValid() {
			conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(addr))
			if err == nil {
				return conn, nil
			}
			if err := sleep(ctx, 20*time.Millisecond); err != nil { // it has just ended
				return nil, err
			}
			continue
		}
		if isCancel(first) {
			return nil, errNothingToCancel
		}
		if err := e.wake(ctx, p, ep); err != nil {
			return nil, err
		}
		e.mu.Lock()
		addr = e.backend(p, ep)
		e.mu.Unlock()
		if !addr.IsValid() {
			return nil, fmt.Errorf("compute of endpoint %s does not start", ep.ID)
		}
	}
}

func (e *Emulator) touch(ep *endpoint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	ep.LastActive = &now
}

// probing says whether a disabled endpoint is open for a moment; the lock is held.
func (e *Emulator) probing(ep *endpoint) bool { return time.Now().Before(ep.probed) }

// add keeps track of a connection; false when the proxy is closed.
func (px *proxy) add(c net.Conn) bool {
	px.mu.Lock()
	defer px.mu.Unlock()
	if px.closed {
		return false
	}
	px.conns[c] = true
	return true
}

func (px *proxy) remove(c net.Conn) {
	px.mu.Lock()
	defer px.mu.Unlock()
	delete(px.conns, c)
}

// sessions is how many connections there are, waiting ones included.
func (px *proxy) sessions() int {
	px.mu.Lock()
	defer px.mu.Unlock()
	return len(px.conns)
}

// drop ends all sessions.
func (px *proxy) drop() {
	px.mu.Lock()
	defer px.mu.Unlock()
	for c := range px.conns {
		_ = c.Close()
	}
}

func (px *proxy) close() {
	px.mu.Lock()
	px.closed = true
	px.mu.Unlock()
	_ = px.listener.Close()
	px.drop()
}
