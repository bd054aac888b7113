package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// link is a long way to a server: every connection through it has a round trip of its own and a line of its
// own, whatever the others do. It delays, it does not wait at each write: bytes that are on their way do not
// keep the next ones from leaving, as on a real line.
type link struct {
	listener net.Listener
	network  string
	target   string
	rtt      time.Duration
	rate     float64 // bytes a second, each way

	done  sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil once closed
}

// piece is what is read from a socket at a time, in bytes.
const piece = 32 << 10

// newLink listens on a free port of loopback and passes connections on to a server. Close it.
func newLink(network, target string, rtt time.Duration, rate float64) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the far side: %w", err)
	}
	l := &link{listener: listener, network: network, target: target, rtt: rtt, rate: rate, conns: map[net.Conn]struct{}{}}
	l.done.Go(l.serve)
	return l, nil
}

// Addr is where to connect instead of the server.
func (l *link) Addr() string { return l.listener.Addr().String() }

// Close ends all connections and waits for them.
func (l *link) Close() {
	_ = l.listener.Close()
	l.mu.Lock()
	for c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
	l.mu.Unlock()
	l.done.Wait()
}

func (l *link) serve() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.done.Go(func() { l.connect(near) })
	}
}

// keep remembers a connection for Close; on a closed link it closes it.
func (l *link) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		_ = c.Close()
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *link) drop(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = c.Close()
	delete(l.conns, c)
}

func (l *link) connect(near net.Conn) {
	if !l.keep(near) {
		return
	}
	defer l.drop(near)
	far, err := net.Dial(l.network, l.target)
	if err != nil {
		return // the client sees the connection end, as it would of a server that is gone
	}
	if !l.keep(far) {
		return
	}
	defer l.drop(far)
	// The kernel has shaken hands with the client at once: over the distance that takes a round trip, after
	// which the first byte may leave.
	shaken := time.Now().Add(l.rtt)
	var both sync.WaitGroup
	both.Go(func() { l.carry(far, near, shaken) })
	both.Go(func() { l.carry(near, far, time.Now()) })
	both.Wait()
}

type packet struct {
	bytes []byte
	at    time.Time
}

// carry moves one direction. The sender is held back when as much is under way as the line holds and a
// router's queue besides, so that it feels the rate as TCP lets it feel.
func (l *link) carry(to, from net.Conn, free time.Time) {
	delay := l.rtt / 2
	const routerQueue = 50 * time.Millisecond
	depth := max(2, int(l.rate*(delay+routerQueue).Seconds()/piece))
	way := make(chan packet, depth)
	ctx, cancel := context.WithCancel(context.Background())
	var delivered sync.WaitGroup
	delivered.Go(func() {
		defer cancel()
		for p := range way {
			time.Sleep(time.Until(p.at))
			if _, err := to.Write(p.bytes); err != nil {
				return
			}
		}
		closeWrite(to)
	})
	defer delivered.Wait()
	defer close(way)
	for {
		buffer := make([]byte, piece)
		n, err := from.Read(buffer)
		if n > 0 {
			// The line is free when the bytes before have left; these take n/rate to leave, and then travel.
			if now := time.Now(); free.Before(now) {
				free = now
			}
			free = free.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
			select {
			case way <- packet{buffer[:n], free.Add(delay)}:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
