package pretrained

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/filemap"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
	"github.com/yocobench/yocobench/runners/families"
)

// Model is an open model. It implements runners.Weights.
type Model struct {
	// Family is the model as described by its config; its Config is not nil.
	Family  *families.Model
	source  string
	places  *places
	tensors []stored
	// load returns a tensor of the file.
	load   func(name string) (*matrix, error)
	closer io.Closer
	// data returns the stored bytes of a tensor.
	data func(name string) ([]byte, error)
}

// ErrNotRun reports that no runner supports the model's family or a field of its config. The
// model's cost can still be computed.
var ErrNotRun = errors.New("no runner runs it")

// isGGUF reports whether path is that of a .gguf file. A folder may have such a name too.
func isGGUF(path string) bool {
	info, err := os.Stat(path)
	return gguf.IsPath(path) && (err != nil || !info.IsDir())
}

// IsModel reports whether path is a .gguf file or a Hugging Face folder with weights.
func IsModel(path string) bool {
	if !families.IsConfig(path) {
		return false
	}
	if isGGUF(path) {
		return true
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir() && checkpoint.HasTensors(path)
}

// IsPath reports whether path is that of a .gguf file, which may be missing, or a folder of Hugging
// Face, which may have no weights.
func IsPath(path string) bool { return gguf.IsPath(path) || families.IsConfig(path) }

// Open opens a .gguf file or a Hugging Face folder, and checks that its tensors are those of the
// config. It does not read their data. If no runner supports the model, the error wraps ErrNotRun.
func Open(path string) (*Model, error) {
	if isGGUF(path) {
		return openGGUF(path)
	}
	f, err := families.Open(path)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(path, "config.json")
	if f.Config == nil {
		return nil, fmt.Errorf("%s: %w: %s", config, ErrNotRun, f.NotRun)
	}
	l, ok := huggingFace[f.Family]
	if !ok {
		return nil, fmt.Errorf("%s: %w: the tensor names of %s are not known", config, ErrNotRun, f.Family)
	}
	t, err := checkpoint.OpenTensors(path)
	if err != nil {
		return nil, err
	}
	files := map[string]string{} // names in the file
	m := &Model{Family: f, source: t.Source(), closer: t, load: func(name string) (*matrix, error) { return plainMatrix(t, files[name]) }}
	m.data = func(name string) ([]byte, error) { return t.Bytes(files[name]) }
	for _, inFile := range t.Names() {
		name := inFile
		if f.Multimodal {
			name = textName(inFile)
		}
		if name == "" {
			continue
		}
		if other, twice := files[name]; twice {
			return nil, errors.Join(fmt.Errorf("%s: the tensors %q and %q are both %q of the text model", m.source, other, inFile, name), t.Close())
		}
		files[name] = inFile
		info := t.Info(inFile)
		_, readable := plainTypes[info.Type]
		s := stored{name: name, kind: info.Type, readable: readable, bytes: info.Bytes}
		for _, n := range info.Shape {
			s.shape = append(s.shape, int(n))
		}
		m.tensors = append(m.tensors, s)
	}
	opened, err := m.opened(l, func(name string) bool {
		return slices.ContainsFunc(hfUnused, func(end string) bool { return strings.HasSuffix(name, end) })
	})
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return opened, nil
}

func openGGUF(path string) (*Model, error) {
	g, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := newGGUF(g)
	if err != nil {
		return nil, errors.Join(err, g.Close())
	}
	name, _ := gguf.CutExt(filepath.Base(path))
	m.Family.Rename(name)
	return m, nil
}

func newGGUF(g *gguf.File) (*Model, error) {
	if n, _, err := g.Uint("split.count"); err != nil || n > 1 {
		return nil, errors.Join(fmt.Errorf("%s: the file is one of %d parts: merge them with llama-gguf-split --merge", g.Name(), n), err)
	}
	f, err := families.FromGGUF(g)
	if err != nil {
		return nil, err
	}
	if f.Config == nil {
		return nil, fmt.Errorf("%s: %w: %s", g.Name(), ErrNotRun, f.NotRun)
	}
	arch, _, err := g.String("general.architecture")
	if err != nil {
		return nil, err
	}
	l, ok := ggufLayouts[arch]
	if !ok {
		return nil, fmt.Errorf("%s: %w: the tensor names of the architecture %q are not known", g.Name(), ErrNotRun, arch)
	}
	m := &Model{Family: f, source: g.Name(), closer: g, load: func(name string) (*matrix, error) { return ggufMatrix(g, name) }}
	m.data = func(name string) ([]byte, error) {
		t, _ := g.Tensor(name)
		return g.Data(t)
	}
	for _, t := range g.Tensors() {
		m.tensors = append(m.tensors, stored{name: t.Name, kind: t.Type.String(), readable: t.Type.Readable(), shape: t.Shape, bytes: t.Bytes})
	}
	return m.opened(l, func(name string) bool { return slices.Contains(ggufUnused, name) })
}

// opened checks the tensors of m against a layout. On an error it leaves the file open.
func (m *Model) opened(l layout, unused func(string) bool) (*Model, error) {
	p, err := findPlaces(m.Family.Config, l)
	if err == nil {
		m.places = p
		err = p.check(m.source, m.tensors, unused, m.Family.Tied)
	}
	if err == nil && m.Family.Tied {
		err = filemap.Guard(m.source, func() error { return m.checkTied(l) })
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// checkTied returns an error if the output matrix is tied to the embedding according to the config,
// but the file has one with other bytes.
func (m *Model) checkTied(l layout) error {
	output, embed := l.holding(runners.RoleOutput), l.holding(runners.RoleEmbed)
	if !slices.ContainsFunc(m.tensors, func(t stored) bool { return t.name == output }) {
		return nil
	}
	a, err := m.data(output)
	if err != nil {
		return err
	}
	b, err := m.data(embed)
	if err != nil {
		return err
	}
	if n := min(len(a), hashPart); len(a) != len(b) || !bytes.Equal(a[:n], b[:n]) || !bytes.Equal(a[len(a)-n:], b[len(b)-n:]) {
		return fmt.Errorf("%s: tie_word_embeddings is true, but %q differs from %q", m.source, output, embed)
	}
	return nil
}

// plainMatrix returns a tensor of a safetensors file.
func plainMatrix(t checkpoint.Tensors, name string) (*matrix, error) {
	x, err := t.Get(name)
	if err != nil {
		return nil, err
	}
	size := x.DType.Size()
	decode := func(dst []float32, src []byte) { runners.Tensor{DType: x.DType, Data: src}.Decode(dst, 0) }
	return &matrix{name: name, plain: x.DType, isPlain: true, in: rowLength(x.Shape), values: 1, bytes: size, decode: decode, data: x.Data}, nil
}

// rowLength returns the number of values of a row, 1 for a vector.
func rowLength(shape []int) int {
	if len(shape) == 1 {
		return 1
	}
	return shape[len(shape)-1]
}

// plainTypes are the types that runners read without conversion.
var plainTypes = map[string]runners.DType{"F32": runners.F32, "F16": runners.F16, "BF16": runners.BF16}

// ggufMatrix returns a tensor of a GGUF file.
func ggufMatrix(g *gguf.File, name string) (*matrix, error) {
	t, _ := g.Tensor(name)
	data, err := g.Data(t)
	if err != nil {
		return nil, err
	}
	m := &matrix{name: name, kind: t.Type.String(), in: rowLength(t.Shape), decode: t.Type.Decoder(), data: data}
	m.values, m.bytes = t.Type.Block()
	m.plain, m.isPlain = plainTypes[m.kind]
	if m.values > 1 && len(t.Shape) == 1 {
		m.in = t.Shape[0] // a quantised vector is a row
	}
	return m, nil
}

// Config returns the model's layers for a runner.
func (m *Model) Config() runners.Config { return *m.Family.Config }

// Tensor implements runners.Weights. The parameter is found by its layer and role.
func (m *Model) Tensor(p runners.TensorSpec) (runners.Tensor, error) {
	k := key{p.Layer, p.Role}
	at, ok := m.places.at[k]
	if !ok || !slices.Equal(p.Shape, m.places.params[k].Shape) {
		return runners.Tensor{}, fmt.Errorf("%s: the model has no %s of shape %v in layer %d", m.source, p.Role, p.Shape, p.Layer)
	}
	x, err := m.load(at.tensor)
	if err != nil {
		return runners.Tensor{}, err
	}
	t := x.parameter(p, at)
	t.Name = at.tensor
	return t, nil
}

// Source implements runners.Weights.
func (m *Model) Source() string { return m.source }

// Close unmaps the files.
func (m *Model) Close() error { return m.closer.Close() }

// StoredType describes the tensors of one type.
type StoredType struct {
	// Type is the format's name of the type, such as "BF16" or "Q4_K".
	Type    string `json:"type"`
	Tensors int    `json:"tensors"`
	Bytes   int64  `json:"bytes"`
}

// Stored lists the types of the tensors, the one with the most bytes first.
func (m *Model) Stored() []StoredType {
	var types []StoredType
	for _, t := range m.tensors {
		i := slices.IndexFunc(types, func(s StoredType) bool { return s.Type == t.kind })
		if i < 0 {
			i = len(types)
			types = append(types, StoredType{Type: t.kind})
		}
		types[i].Tensors++
		types[i].Bytes += t.bytes
	}
	slices.SortStableFunc(types, func(a, b StoredType) int {
		if a.Bytes != b.Bytes {
			return int(min(max(b.Bytes-a.Bytes, -1), 1))
		}
		return strings.Compare(a.Type, b.Type)
	})
	return types
}

// Identity hashes all bytes of weights up to hashWhole. Of larger weights it hashes hashPart bytes
// at each end of every tensor, about 50 MB for a few hundred tensors, regardless of the file's
// size.
const (
	hashWhole = 256 << 20
	hashPart  = 64 << 10
)

// Identity names the weights: the types in which they are stored and a hash of the config, of the
// tensors' names, types, shapes and sizes, and of their bytes. Of weights of more than 256 MiB the
// bytes are the first and last 64 KiB of each tensor, so that a plan does not read a large file.
func (m *Model) Identity() (id string, err error) {
	err = filemap.Guard(m.source, func() error {
		id, err = m.identity()
		return err
	})
	return id, err
}

func (m *Model) identity() (string, error) {
	h := sha256.New()
	c := m.Config()
	c.Name = ""
	fmt.Fprintf(h, "%+v\n", c)
	total := int64(0)
	for _, t := range m.tensors {
		total += t.bytes
	}
	for _, t := range m.tensors {
		fmt.Fprintf(h, "%q %s %v %d\n", t.name, t.kind, t.shape, t.bytes)
		if t.bytes <= 0 {
			continue
		}
		data, err := m.data(t.name)
		if err != nil {
			return "", err
		}
		hashData(h, data, total <= hashWhole)
	}
	var kinds []string
	for _, s := range m.Stored() {
		kinds = append(kinds, s.Type)
	}
	return fmt.Sprintf("sha256:%s (%s)", hex.EncodeToString(h.Sum(nil)[:16]), strings.Join(kinds, ", ")), nil
}

func hashData(h hash.Hash, data []byte, whole bool) {
	if whole || len(data) <= 2*hashPart {
		h.Write(data)
		return
	}
	h.Write(data[:hashPart])
	h.Write(data[len(data)-hashPart:])
}
