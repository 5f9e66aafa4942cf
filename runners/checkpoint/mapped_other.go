//go:build !unix

package checkpoint

import (
	"io"
	"os"
)

// onDisk reads each tensor when it is asked for, where memory maps are not to
// be had portably. A tensor is then a copy that the collector frees.
type onDisk struct{ f *os.File }

func openContent(f *os.File, size int64) (content, error) {
	// The caller closes f; this one stays open as long as the content.
	g, err := os.Open(f.Name())
	if err != nil {
		return nil, err
	}
	return onDisk{g}, nil
}

func (d onDisk) bytes(off, n int64) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(io.NewSectionReader(d.f, off, n), b)
	return b, err
}

func (d onDisk) close() error { return d.f.Close() }
