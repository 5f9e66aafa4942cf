package openai

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
)

// The reader of net/http for bodies in chunks does not return data that it has read while it waits
// for the rest of a chunk. An event that arrives together with a part of the next one would be
// returned, and timed, only when the next one is complete. So data is passed to it line by line:
// then it returns each line at once.

// lineConn is a connection of which each Read returns a line, or the part of one that has arrived.
type lineConn struct {
	net.Conn
	buf, data []byte
}

func (c *lineConn) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		n, err := c.Conn.Read(c.buf)
		c.data = c.buf[:n]
		if n == 0 {
			return 0, err
		}
	}
	n := len(c.data)
	if i := bytes.IndexByte(c.data, '\n'); i >= 0 {
		n = i + 1
	}
	n = copy(p, c.data[:n])
	c.data = c.data[n:]
	return n, nil
}

// byLine makes the connections of t return lines.
func byLine(t *http.Transport) {
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &lineConn{Conn: c, buf: make([]byte, 16<<10)}, nil
	}
}

// prompt returns a reader of a streamed answer that does not hold back data. Encrypted connections
// of HTTP/1 do not return lines, so their data is read byte by byte; HTTP/2 needs neither.
func (x *exchange) prompt() io.Reader {
	if x.resp.TLS != nil && x.resp.ProtoMajor == 1 {
		return byteReader{x}
	}
	return x
}

type byteReader struct{ r io.Reader }

func (b byteReader) Read(p []byte) (int, error) { return b.r.Read(p[:min(1, len(p))]) }
