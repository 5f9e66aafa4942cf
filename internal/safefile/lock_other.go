//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package safefile

import "os"

const (
	noFollow = 0
	nonBlock = 0
)

// TryLock returns ErrNoLocks: this system has no suitable locks.
func TryLock(*os.File) error { return ErrNoLocks }
