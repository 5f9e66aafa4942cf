//go:build unix

package filemap

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapped is a file's content by a read-only, shared memory map: pages come
// from the page cache when they are touched, and several processes share them.
// A file that another program cuts short while it is mapped makes the reader
// fault; replace checkpoints by rename, as checkpoint.Write does.
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
