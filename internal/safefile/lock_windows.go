package safefile

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

const (
	noFollow = 0
	nonBlock = 0
)

// TryLock takes f's lock without waiting, until f is closed or the process ends. It returns
// ErrLocked if another open file of the same name holds it, and an error that wraps ErrNoLocks if
// there are no locks. The locked byte is far behind the end of any file, because others cannot read
// a locked byte.
func TryLock(f *os.File) error {
	at := windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING):
		return ErrLocked
	case errors.Is(err, windows.ERROR_NOT_SUPPORTED) || errors.Is(err, windows.ERROR_INVALID_FUNCTION):
		return fmt.Errorf("%w (%w)", ErrNoLocks, err)
	}
	return fmt.Errorf("lock %s: %w", f.Name(), err)
}
