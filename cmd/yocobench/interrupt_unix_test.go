//go:build unix

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/testenv"
)

// TestSignalWhileReading checks that a signal ends commands while they read a journal, and that
// they leave nothing behind. The journal is a named pipe, so reading it blocks.
func TestSignalWhileReading(t *testing.T) {
	dir := t.TempDir()
	pipe, saved := filepath.Join(dir, journalName), filepath.Join(dir, "saved")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		testenv.Missing(t, "no named pipes in the temporary folder: %v", err)
	}
	for _, args := range [][]string{
		{"run", "smoke", "--dry-run", "--gate", "kv.total <= 1x baseline", "--baseline", pipe},
		{"baseline", "save", pipe, saved}, {"report", pipe}, {"export", pipe, "--as", "junit"}, {"compare", pipe, pipe},
		{"merge", pipe, "--out", saved},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan int, 1)
		time.AfterFunc(200*time.Millisecond, cancel)
		go func() { done <- run(ctx, args, io.Discard, io.Discard) }()
		select {
		case code := <-done:
			if code != exitInterrupted {
				t.Errorf("%v: exit code %d, want %d", args, code, exitInterrupted)
			}
		case <-time.After(time.Minute):
			t.Errorf("%v: not interrupted", args)
		}
		cancel()
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*saved*")); err != nil || len(left) > 0 {
		t.Errorf("left %q, %v", left, err)
	}
	if f, err := os.OpenFile(pipe, os.O_RDWR, 0); err == nil {
		f.Close() // unblocks the waiting readers
	}
}
