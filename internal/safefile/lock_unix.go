//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package safefile

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	noFollow = unix.O_NOFOLLOW
	nonBlock = unix.O_NONBLOCK
)

// TryLock takes f's lock without waiting, until f is closed or the process ends. It returns
// ErrLocked if another open file of the same name holds it, and an error that wraps ErrNoLocks if
// there are no locks.
func TryLock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrLocked
		case errors.Is(err, syscall.ENOLCK) || refused(err):
			return fmt.Errorf("%w (%w)", ErrNoLocks, err)
		}
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
}
