//go:build unix

package filemap

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapped is the Content of a read-only, shared memory map. Pages are loaded from the page cache on
// access and shared between processes. If another program truncates the file while it is mapped,
// reads fault; so replace checkpoints by renaming, as checkpoint.Write does.
type mapped []byte

func open(f *os.File, size int64) (Content, error) {
	if size == 0 {
		return Memory(nil), nil // an empty file cannot be mapped
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return mapped(b), nil
}

// Bytes is part of Content.
func (m mapped) Bytes(off, n int64) ([]byte, error) { return m[off : off+n : off+n], nil }

// Close unmaps the file.
func (m mapped) Close() error { return unix.Munmap(m) }
