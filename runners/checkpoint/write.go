package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/yocobench/yocobench/internal/safefile"
	"github.com/yocobench/yocobench/runners"
)

// Write writes the tensors of specs to a safetensors file, one at a time, so at most one is in
// memory. All are stored as dtype; weights may return them in any type. The file appears completely
// or not at all: it is written next to path, synced and renamed.
func Write(path string, specs []runners.TensorSpec, w runners.Weights, dtype runners.DType, metadata map[string]string) error {
	head, err := header(specs, dtype, metadata)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return safefile.Write(path, func(out io.Writer) error {
		if _, err := out.Write(head); err != nil {
			return err
		}
		for _, p := range specs {
			t, err := w.Tensor(p)
			if err != nil {
				return err
			}
			if err := t.Check(); err != nil {
				return fmt.Errorf("%s: %w", w.Source(), err)
			}
			if t.Len() != p.Elements() {
				return fmt.Errorf("%s: tensor %q has shape %v, want %v", w.Source(), p.Name, t.Shape, p.Shape)
			}
			if err := stored(t, dtype, 0, t.Len(), func(b []byte) error { _, err := out.Write(b); return err }); err != nil {
				return err
			}
		}
		return nil
	})
}

// header returns the length and the JSON of a file, padded so that the data are 8-byte aligned.
func header(specs []runners.TensorSpec, dtype runners.DType, metadata map[string]string) ([]byte, error) {
	names := map[runners.DType]string{runners.F32: "F32", runners.BF16: "BF16", runners.F16: "F16"}
	text := []byte("{")
	add := func(key string, value any) error {
		if len(text) > 1 {
			text = append(text, ',')
		}
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		v, err := json.Marshal(value)
		text = append(append(append(text, k...), ':'), v...)
		return err
	}
	if len(metadata) > 0 {
		if err := add("__metadata__", metadata); err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{"__metadata__": true}
	at := int64(0)
	for _, p := range specs {
		if seen[p.Name] {
			return nil, fmt.Errorf("two tensors named %q", p.Name)
		}
		seen[p.Name] = true
		end := at + p.Elements()*int64(dtype.Size())
		err := add(p.Name, struct {
			DType   string   `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}{names[dtype], p.Shape, [2]int64{at, end}})
		if err != nil {
			return nil, err
		}
		at = end
	}
	text = append(text, '}')
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), nil
}

// Save writes a model as a folder that Open reads: config.json and weights.safetensors, stored as
// dtype. It creates the folder if needed.
func Save(dir string, c runners.Config, w runners.Weights, dtype runners.DType) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := Write(filepath.Join(dir, weightsFile), c.Parameters(), w, dtype, map[string]string{"source": w.Source()}); err != nil {
		return err
	}
	return safefile.Write(filepath.Join(dir, configFile), func(out io.Writer) error {
		return writeConfig(out, c)
	})
}
