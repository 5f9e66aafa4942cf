package openai

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// TestIdleConnections sends requests to a server that closes each connection soon after its answer,
// without saying so. Requests on such a connection are repeated.
func TestIdleConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				const body = `{"choices":[{"text":"x","index":0}]}`
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				time.Sleep(time.Duration(n%20) * 10 * time.Microsecond)
			}()
		}
	}()
	s := &Server{c: newClient(Spec{URL: "http://" + l.Addr().String(), Model: "m", Backoff: time.Millisecond}), API: Completions}
	for range 300 {
		if _, err := s.post(t.Context(), s.path(), s.request("x", 1)); err != nil {
			t.Fatal(err)
		}
	}
	for kind := range s.c.retried {
		if kind != reusedClosed {
			t.Errorf("repeated after %q", kind)
		}
	}
	t.Logf("repeated: %v", s.c.retried)
}

// TestReusedConnections sends requests to a server that answers one on each connection, reads the
// next one and closes the connection. That is repeated, without the wait after other failures, and
// also if a request may be attempted only once. A new connection that is closed is another failure.
func TestReusedConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var closes atomic.Bool
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for i := range 2 {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if i > 0 || closes.Load() {
						return
					}
					const body = `{"choices":[{"text":"x","index":0}]}`
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				}
			}()
		}
	}()
	s := &Server{c: newClient(Spec{URL: "http://" + l.Addr().String(), Model: "m", Backoff: time.Hour, Attempts: 1}), API: Completions}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const n = 20
	for range n {
		if _, err := s.post(ctx, s.path(), s.request("x", 1)); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.c.retried[reusedClosed]; got != n-1 || len(s.c.retried) != 1 {
		t.Errorf("%d requests: repeated %v, want %d after %q", n, s.c.retried, n-1, reusedClosed)
	}
	s.c.close()
	closes.Store(true)
	if _, err := s.post(ctx, s.path(), s.request("x", 1)); kindOf(err) != "connection closed" {
		t.Errorf("a new connection that is closed: %v", err)
	}
}
