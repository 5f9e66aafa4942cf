package openai

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/yocobench/yocobench/internal/servertest"
	"github.com/yocobench/yocobench/runners"
)

// TestExhausted checks that a machine that can open no more connections ends a case: it is not a
// failed request of the server, and not repeated.
func TestExhausted(t *testing.T) {
	m := open(t, quick(servertest.Start(t, servertest.Options{}).URL), nil)
	for _, cause := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL} {
		dials := 0
		m.s.c.close()
		m.s.c.http.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
			dials++
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", cause)}
		}
		_, err := m.Stream(t.Context(), runners.Request{Prompt: "x", MaxTokens: 2})
		var r *runners.RequestError
		if err == nil || errors.As(err, &r) || !errors.Is(err, cause) || !strings.Contains(err.Error(), "ulimit -n") || dials != 1 {
			t.Errorf("%v: %v after %d attempts", cause, err, dials)
		}
	}
}
