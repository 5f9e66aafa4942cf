package openai

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
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
		if kind != idleClosed && kind != "connection closed" {
			t.Errorf("repeated after %q", kind)
		}
	}
	t.Logf("repeated: %v", s.c.retried)
}
