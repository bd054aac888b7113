package main

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// far is a server that the link leads to.
func far(t *testing.T, serve func(net.Conn), rtt time.Duration, rate float64) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	l, err := newLink("tcp", listener.Addr().String(), rtt, rate)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func dial(t *testing.T, l *link) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A question and its answer take one round trip, and the first one the handshake besides; never less.
func TestLinkRoundTrip(t *testing.T) {
	const rtt = 30 * time.Millisecond
	c := dial(t, far(t, func(c net.Conn) { _, _ = io.Copy(c, c) }, rtt, 8e6))
	ask := func() time.Duration {
		began := time.Now()
		var b [1]byte
		if _, err := c.Write(b[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, b[:]); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	if took := ask(); took < 2*rtt-2*time.Millisecond {
		t.Errorf("handshake and first answer took %v, less than two round trips of %v", took, rtt)
	}
	quickest := time.Hour
	for range 10 {
		took := ask()
		if took < rtt {
			t.Errorf("an answer took %v, less than a round trip of %v", took, rtt)
		}
		quickest = min(quickest, took)
	}
	if quickest > 2*rtt {
		t.Errorf("the quickest of 10 answers took %v, far more than a round trip of %v", quickest, rtt)
	}
}

// Every connection has its own line: four carry four times as much as one, and none more than its rate.
func TestLinkRate(t *testing.T) {
	const rate, seconds = 8e6, 0.5
	l := far(t, func(c net.Conn) {
		_, _ = c.Write(make([]byte, rate*seconds))
	}, 30*time.Millisecond, rate)
	var all sync.WaitGroup
	for range 4 {
		began := time.Now()
		c := dial(t, l)
		all.Go(func() {
			n, err := io.Copy(io.Discard, c)
			took := time.Since(began).Seconds()
			if err != nil || n != rate*seconds {
				t.Errorf("%d bytes came of %d: %v", n, int(rate*seconds), err)
			}
			// On one line together they would take four times as long.
			if took < seconds || took > seconds*3 {
				t.Errorf("%d bytes took %.3f s, want %.3f s and a little", n, took, seconds)
			}
		})
	}
	all.Wait()
}
