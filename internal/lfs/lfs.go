// Package lfs recognises Git LFS pointers: the small text files that replace large files in a clone
// without Git LFS.
package lfs

import (
	"bytes"
	"errors"
)

// MaxPointer is an upper bound of a pointer's size in bytes.
const MaxPointer = 1024

// ErrPointer is the error for a file that is a pointer. It ends with a hint.
var ErrPointer = errors.New("a Git LFS pointer, not the file's content\n  hint: run `git lfs pull` in the clone that holds it")

// IsPointer reports whether head, the first bytes of a file, is the start of a pointer
// (git-lfs/docs/spec.md: the first line is the version's key and URL).
func IsPointer(head []byte) bool {
	return bytes.HasPrefix(head, []byte("version https://git-lfs.github.com/spec/")) ||
		bytes.HasPrefix(head, []byte("version https://hawser.github.com/spec/")) // before its first release
}
