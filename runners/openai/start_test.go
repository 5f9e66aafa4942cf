package openai

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/servertest"
)

// TestStart waits for a server that first does not listen and then says that it is loading.
func TestStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	spec := Spec{URL: "http://" + addr + "/v1", Model: servertest.Model, Attempts: 1, Backoff: time.Millisecond}
	if _, err := Probe(t.Context(), spec, nil); kindOf(err) != "connection refused" {
		t.Fatalf("without a wait: %v", err)
	}
	spec.Start = 100 * time.Millisecond
	if _, err := Probe(t.Context(), spec, nil); err == nil || !strings.Contains(err.Error(), "did not start within 100ms") || kindOf(err) != "connection refused" {
		t.Fatalf("with a short wait: %v", err)
	}
	var loading atomic.Int32
	real := servertest.Start(t, servertest.Options{Handler: func(w http.ResponseWriter, r *http.Request) bool {
		if loading.Add(1) > 2 {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}})
	target, err := url.Parse(strings.TrimSuffix(real.URL, "/v1"))
	if err != nil {
		t.Fatal(err)
	}
	late := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(target))
	_ = late.Listener.Close()
	listening := make(chan error, 1)
	time.AfterFunc(200*time.Millisecond, func() {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			late.Listener = l
			late.Start()
		}
		listening <- err
	})
	spec.Start = time.Minute
	s, err := Probe(t.Context(), spec, nil)
	if err != nil || s.API != Completions || loading.Load() < 3 {
		t.Errorf("after %d requests: %v, %v", loading.Load(), s, err)
	}
	if err := <-listening; err != nil {
		t.Fatal(err)
	}
	late.Close()
	// An error that waiting does not change ends the wait.
	spec.URL = servertest.Start(t, servertest.Options{Key: "k"}).URL
	if _, err := Probe(t.Context(), spec, nil); kindOf(err) != "HTTP 401" {
		t.Errorf("without the key: %v", err)
	}
}
