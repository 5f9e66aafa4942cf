// Package lfs recognises Git LFS pointers: the small text files that a clone
// without Git LFS has in place of large ones.
package lfs

import (
	"bytes"
	"errors"
)

// MaxPointer is the size in bytes that a pointer stays below.
const MaxPointer = 1024

// ErrPointer is the error of a file that is a pointer. It ends in a hint.
var ErrPointer = errors.New("a Git LFS pointer, not the file's content\n  hint: run `git lfs pull` in the clone that holds it")

// IsPointer reports whether head, the first bytes of a file, begins a pointer
// (git-lfs/docs/spec.md: the first line is the version's key and URL).
func IsPointer(head []byte) bool {
	return bytes.HasPrefix(head, []byte("version https://git-lfs.github.com/spec/")) ||
		bytes.HasPrefix(head, []byte("version https://hawser.github.com/spec/")) // before its first release
}
