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
func (k *Kernel) PTX() (string, error) {
	text, err := k.ptx()
	if err != nil {
		return "", fmt.Errorf("the kernel %s in this program: %w", k.File, err)
	}
	return text, nil
}

func (k *Kernel) ptx() (string, error) {
	data, err := archives.ReadFile("ptx/" + path.Dir(k.File) + ".zip")
	if err != nil {
		return "", err
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return "", err
	}
	f, err := z.Open(path.Base(k.File))
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	return string(text), err
}
