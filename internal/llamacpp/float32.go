package llamacpp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
)

// WriteFloat32 writes a copy of a GGUF file in which every tensor is float32.
func WriteFloat32(path, from string) (err error) {
	f, err := gguf.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	tensors := f.Tensors()
	// The descriptions of the tensors follow the metadata. They have no index, so the first one is
	// searched for.
	begin := bytes.Index(b, description(nil, tensors[0]))
	if begin < 0 {
		return fmt.Errorf("%s: the description of %s is not found", from, tensors[0].Name)
	}
	align := uint64(32)
	if a, ok, err := f.Uint("general.alignment"); err != nil {
		return err
	} else if ok {
		align = a
	}
	padding := func(n int) []byte { return make([]byte, -uint64(n)%align) }

	head, offset := slices.Clone(b[:begin]), 0
	for _, t := range tensors {
		size := int(4 * t.Elements())
		t.Type = 0 // F32
		head = binary.LittleEndian.AppendUint64(description(head, t), uint64(offset))
		offset += size + len(padding(size))
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := bufio.NewWriterSize(out, 1<<20)
	_, _ = w.Write(append(head, padding(len(head))...)) // errors are those of Flush
	for _, t := range tensors {
		data, err := f.Data(t)
		if err != nil {
			return err
		}
		values := make([]float32, t.Elements())
		if err := t.Type.Dequantize(values, data); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		data = make([]byte, 0, 4*len(values))
		for _, x := range values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
		}
		_, _ = w.Write(append(data, padding(len(data))...))
	}
	return w.Flush()
}

// description appends a tensor's description up to its offset.
func description(b []byte, t gguf.Tensor) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(t.Name)))
	b = append(b, t.Name...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Shape)))
	for _, d := range slices.Backward(t.Shape) {
		b = binary.LittleEndian.AppendUint64(b, uint64(d))
	}
	return binary.LittleEndian.AppendUint32(b, uint32(t.Type))
}
