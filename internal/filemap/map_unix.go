//go:build unix

package filemap

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mapped is a file's content by a read-only, shared memory map: pages come
// from the page cache when they are touched, and several processes share them.
// Bytes returns an error if another program has cut the file short. If the file
// is cut short later, reading the bytes that Bytes returned faults. So replace
// checkpoints by rename, as checkpoint.Write does.
type mapped struct {
	data []byte
	f    *os.File
}

func open(f *os.File, size int64) (Content, error) {
	if size == 0 {
		return Memory(nil), f.Close() // an empty file cannot be mapped
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return mapped{b, f}, nil
}

// Bytes is part of Content.
func (m mapped) Bytes(off, n int64) ([]byte, error) {
	info, err := m.f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < int64(len(m.data)) {
		return nil, fmt.Errorf("%s: cut short from %d to %d bytes while it was open", m.f.Name(), len(m.data), info.Size())
	}
	return m.data[off : off+n : off+n], nil
}

// Close unmaps and closes the file.
func (m mapped) Close() error { return errors.Join(unix.Munmap(m.data), m.f.Close()) }
