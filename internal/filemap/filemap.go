// Package filemap reads parts of large files without copying them where the system can map files.
package filemap

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
)

// Content is the bytes of a file.
type Content interface {
	// Bytes returns bytes [off, off+n). The caller keeps off and n inside the file. What is
	// returned may be read until Close; it must not be written.
	Bytes(off, n int64) ([]byte, error)
	Close() error
}

// OpenRegular opens a regular file. Other files are errors; opening a pipe would block.
func OpenRegular(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	return os.Open(path)
}

// Open opens a regular file and returns its content and its size in bytes.
func Open(path string) (Content, int64, error) {
	f, err := OpenRegular(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if !info.Mode().IsRegular() { // it was replaced before it was opened
		return nil, 0, errors.Join(fmt.Errorf("%s: not a regular file", path), f.Close())
	}
	c, err := open(f, info.Size())
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("%s: map the file: %w", path, err), f.Close())
	}
	return c, info.Size(), nil
}

// Parse opens a regular file and returns what parse makes of its content and size. The content is
// closed if parse returns an error, or if another program cuts the file short while parse reads it,
// which is an error too.
func Parse[T any](path string, parse func(c Content, size int64) (T, error)) (parsed T, err error) {
	c, size, err := Open(path)
	if err != nil {
		return parsed, err
	}
	err = Guard(path, func() error {
		parsed, err = parse(c, size)
		return err
	})
	if err != nil {
		var none T
		return none, errors.Join(err, c.Close())
	}
	return parsed, nil
}

// Guard calls read. If read reads a part of a mapped file that another program has cut short, Guard
// returns an error. read must not start goroutines that read the file.
func Guard(path string, read func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch e := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // a fault
			err = fmt.Errorf("%s: cut short while it was read", path)
		default:
			panic(e)
		}
	}()
	return read()
}

// Memory is a Content of bytes that are in memory already.
type Memory []byte

// Bytes is part of Content.
func (m Memory) Bytes(off, n int64) ([]byte, error) { return m[off : off+n : off+n], nil }

// Close does nothing.
func (Memory) Close() error { return nil }

// Closed is the content of a file after it was closed: every read is an error.
type Closed struct{}

// Bytes returns an error.
func (Closed) Bytes(int64, int64) ([]byte, error) { return nil, errors.New("the file is closed") }

// Close does nothing.
func (Closed) Close() error { return nil }
