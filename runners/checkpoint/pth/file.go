package pth

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/yocobench/yocobench/internal/filemap"
	"github.com/yocobench/yocobench/internal/lfs"
)

// maxEntries bounds the entries of an archive: one per storage and a few more.
const maxEntries = 1 << 18

// File is an open file of torch.save.
type File struct {
	// Root is the saved object (see the values of a pickle above).
	Root    any
	name    string
	content filemap.Content
	size    int64
	// entries maps names, without the folder, to places in the file.
	entries map[string]span
}

// span is bytes [at, at+n) of the file.
type span struct{ at, n int64 }

// Open opens a file and reads its pickle. Values of tensors stay in the file.
func Open(path string) (*File, error) {
	return filemap.Parse(path, func(c filemap.Content, size int64) (*File, error) { return newFile(path, c, size) })
}

// newFile reads a file with the content c; name is for errors.
func newFile(name string, c filemap.Content, size int64) (*File, error) {
	f := &File{name: name, content: c, size: size}
	if err := f.read(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

func (f *File) read() error {
	head, err := f.content.Bytes(0, min(f.size, lfs.MaxPointer))
	if err != nil {
		return err
	}
	switch {
	case lfs.IsPointer(head):
		return lfs.ErrPointer
	case bytes.HasPrefix(head, []byte{0x80}), bytes.Contains(head, []byte("ustar\x00")):
		return errors.New("the legacy format of PyTorch before 1.6, which is not supported\n" +
			"  hint: save it again: torch.save(torch.load(FILE, weights_only=True), NEW)")
	case !bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return errors.New("not a file of torch.save: want a zip archive")
	}
	if err := f.list(); err != nil {
		return err
	}
	if order, err := f.small("byteorder", 16); err != nil {
		return err
	} else if order != nil && string(order) != "little" {
		return fmt.Errorf("the byte order is %q, want \"little\"", order)
	}
	text, err := f.small("data.pkl", maxPickle)
	if err != nil {
		return err
	}
	if text == nil {
		return errors.New("the archive has no data.pkl: it is not a file of torch.save")
	}
	f.Root, err = unpickle(text, f.storage)
	return err
}

// list finds the entries of the archive.
func (f *File) list() error {
	z, err := zip.NewReader(&readerAt{f.content, f.size}, f.size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return err
	}
	if len(z.File) > maxEntries {
		return fmt.Errorf("the archive has %d entries, want at most %d", len(z.File), maxEntries)
	}
	f.entries = make(map[string]span, len(z.File))
	folder := ""
	for _, e := range z.File {
		if strings.HasSuffix(e.Name, "/") && e.UncompressedSize64 == 0 {
			continue // a folder, in an archive that was repacked
		}
		top, name, ok := strings.Cut(e.Name, "/")
		if folder == "" {
			folder = top
		}
		switch {
		case !ok || top != folder || !fs.ValidPath(e.Name):
			return fmt.Errorf("the archive has the entry %q, want plain names in one folder", e.Name)
		case strings.HasPrefix(name, "code/") || name == "constants.pkl":
			return errors.New("a TorchScript archive, want a state dict\n  hint: torch.save(torch.jit.load(FILE).state_dict(), NEW)")
		}
		if _, twice := f.entries[name]; twice {
			return fmt.Errorf("the archive has two entries named %q", e.Name)
		}
		n := int64(e.UncompressedSize64)
		if e.Method != zip.Store || e.CompressedSize64 != e.UncompressedSize64 || e.Flags&1 != 0 {
			return fmt.Errorf("the entry %q is compressed or encrypted, but torch.save stores entries as they are", e.Name)
		}
		at, err := e.DataOffset()
		if err != nil {
			return fmt.Errorf("the entry %q: %w", e.Name, err)
		}
		if at < 0 || n < 0 || at > f.size || n > f.size-at {
			return fmt.Errorf("the entry %q has %d bytes, more than the file (cut short?)", e.Name, uint64(n))
		}
		f.entries[name] = span{at, n}
	}
	return nil
}

// small reads an entry of at most limit bytes. It returns nil if there is none.
func (f *File) small(name string, limit int64) ([]byte, error) {
	e, ok := f.entries[name]
	if !ok {
		return nil, nil
	}
	if e.n > limit {
		return nil, fmt.Errorf("%s has %d bytes, want at most %d", name, e.n, limit)
	}
	return f.content.Bytes(e.at, e.n)
}

// storage checks that the archive has a storage.
func (f *File) storage(s storage) (*storage, error) {
	e, ok := f.entries["data/"+s.key]
	if !ok {
		return nil, fmt.Errorf("no storage %q in the archive", s.key)
	}
	if s.n < 0 || s.n != e.n/s.kind.size {
		return nil, fmt.Errorf("the storage %q has %d values of %d bytes, but its entry has %d bytes", s.key, s.n, s.kind.size, e.n)
	}
	return &s, nil
}

// Size is the size of the file in bytes.
func (f *File) Size() int64 { return f.size }

// Name is the file's name.
func (f *File) Name() string { return f.name }

// Close unmaps the file: no bytes of a tensor may be used any more.
func (f *File) Close() error {
	c := f.content
	f.content = filemap.Closed{}
	return c.Close()
}

// readerAt is the content of a file for the zip reader.
type readerAt struct {
	c    filemap.Content
	size int64
}

func (r *readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= r.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.size-off)
	b, err := r.c.Bytes(off, n)
	if err != nil {
		return 0, err
	}
	copy(p, b)
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}
