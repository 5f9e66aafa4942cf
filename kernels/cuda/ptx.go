//go:build cuda

package cuda

import (
	"archive/zip"
	"bytes"
	"embed"
	"fmt"
	"io"
	"path"
)

//go:embed ptx/*.zip
var archives embed.FS

// PTX is the text of the kernel's file.
func (k *Kernel) PTX() (string, error) { return member(k.File) }

// CubinImage is the content of the kernel's Cubin.
func (k *Kernel) CubinImage() (string, error) { return member(k.Cubin) }

func member(file string) (string, error) {
	data, err := readMember(file)
	if err != nil {
		return "", fmt.Errorf("the kernel %s in this program: %w", file, err)
	}
	return string(data), nil
}

func readMember(file string) ([]byte, error) {
	data, err := archives.ReadFile("ptx/" + path.Dir(file) + ".zip")
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	f, err := z.Open(path.Base(file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
