//go:build !unix

package filemap

import (
	"io"
	"os"
)

// onDisk reads each part when it is asked for, where memory maps are not portable. A part is then a
// copy, which the collector frees.
type onDisk struct{ f *os.File }

func open(f *os.File, size int64) (Content, error) {
	return onDisk{f}, nil
}

// Bytes is part of Content.
func (d onDisk) Bytes(off, n int64) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(io.NewSectionReader(d.f, off, n), b)
	return b, err
}

// Close closes the file.
func (d onDisk) Close() error { return d.f.Close() }
