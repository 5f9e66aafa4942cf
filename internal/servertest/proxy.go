package servertest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Fault is a fault of one response.
type Fault struct {
	// Do is what happens, At after how many bytes of the response.
	Do Effect
	At int
	// Wait is the time of Delay. Status and Header are the answer of Answer.
	Wait   time.Duration
	Status int
	Header string // a line such as "Retry-After: 1\r\n"
}

// Effect is a kind of fault.
type Effect int

// The values of Effect.
const (
	// None: the response passes.
	None Effect = iota
	// Close: the connection is closed in the normal way.
	Close
	// Reset: the connection is reset.
	Reset
	// Garbage: two bytes are overwritten.
	Garbage
	// Delay: the rest arrives after Fault.Wait.
	Delay
	// Hang: nothing else arrives until the client closes the connection.
	Hang
	// Answer: the server is not asked; the answer has Fault.Status.
	Answer
)

// Proxy forwards requests to a server. A connection has one request.
type Proxy struct {
	// URL is the base of the API, with /v1.
	URL    string
	target string

	mu     sync.Mutex
	faults []Fault
	last   string
	count  int
}

// StartProxy starts a proxy of a server. It ends with the test.
func StartProxy(t testing.TB, s *Server) *Proxy {
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{URL: "http://" + l.Addr().String() + "/v1", target: u.Host}
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(func() { l.Close() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				p.serve(c)
			})
		}
	})
	return p
}

// Set sets the faults of the next responses, in order. Later responses pass.
func (p *Proxy) Set(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults, p.count = faults, 0
}

// Last returns the last response that passed, with its header.
func (p *Proxy) Last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// Count returns the number of requests since Set.
func (p *Proxy) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

func (p *Proxy) next() (f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	if len(p.faults) > 0 {
		f, p.faults = p.faults[0], p.faults[1:]
	}
	return f
}

// serve forwards one request and its response.
func (p *Proxy) serve(c net.Conn) {
	r := bufio.NewReader(c)
	q, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	f := p.next()
	if f.Do == Answer {
		_, _ = io.Copy(io.Discard, q.Body)
		text := `{"error":{"message":"injected","type":"server_error"}}`
		fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n%s",
			f.Status, http.StatusText(f.Status), len(text), f.Header, text)
		return
	}
	up, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer up.Close()
	q.Close = true
	if q.Write(up) != nil {
		return
	}
	gone := make(chan struct{})
	go func() { // until the client closes the connection
		defer close(gone)
		_, _ = io.Copy(io.Discard, r)
		up.Close()
	}()
	if f.Do == None {
		p.mu.Lock()
		p.last = ""
		p.mu.Unlock()
		_, _ = io.Copy(io.MultiWriter(recorder{p}, c), up) // recorded before the client gets it
	} else if n, _ := io.CopyN(c, up, int64(f.At)); n == int64(f.At) {
		f.inject(c, up, gone)
	}
	c.Close()
	<-gone
}

// recorder appends to Proxy.last.
type recorder struct{ p *Proxy }

func (r recorder) Write(b []byte) (int, error) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	r.p.last += string(b)
	return len(b), nil
}

// inject causes a fault in a response whose first bytes have passed.
func (f Fault) inject(c net.Conn, up io.Reader, gone chan struct{}) {
	switch f.Do {
	case Reset:
		_ = c.(*net.TCPConn).SetLinger(0)
	case Garbage:
		n, _ := io.CopyN(io.Discard, up, 2)
		_, _ = c.Write([]byte("\x00\xfe")[:n])
		_, _ = io.Copy(c, up)
	case Delay:
		select {
		case <-time.After(f.Wait):
		case <-gone:
		}
		_, _ = io.Copy(c, up)
	case Hang:
		<-gone
	}
}
