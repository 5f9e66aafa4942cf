package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/lfs"
	"github.com/yocobench/yocobench/runners"
)

// The files of a model's folder. The weights are the first of these that exists.
const (
	configFile  = "config.json"
	weightsFile = "weights.safetensors"
	modelFile   = "model.safetensors"
	indexFile   = "model.safetensors.index.json"
)

// maxShards limits the number of files of a sharded checkpoint.
const maxShards = 4096

// Open reads a model's folder: its config.json, and its weights as a memory map. It checks that
// every tensor required by the config exists with the right shape and a readable type, and that
// there are no other tensors: weights of another architecture or size are an error here instead of
// wrong numbers later. Name components added by PyTorch's wrappers (_orig_mod, module) are ignored.
func Open(dir string) (runners.Config, runners.Weights, error) {
	c, err := ReadConfig(dir)
	if err != nil {
		return c, nil, err
	}
	w, names, err := openWeights(dir)
	if err != nil {
		return c, nil, err
	}
	plain, names, err := unwrap(w, names)
	if err == nil {
		err = check(c, plain, names)
	}
	if err != nil {
		return c, nil, errors.Join(err, w.Close())
	}
	return c, plain, nil
}

// ReadConfig reads the config.json of a model's folder.
func ReadConfig(dir string) (runners.Config, error) {
	path := filepath.Join(dir, configFile)
	text, err := readSmall(path, maxConfig)
	if err != nil {
		return runners.Config{}, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return runners.Config{}, err
	}
	return ParseConfig(path, filepath.Base(abs), text)
}

func readSmall(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %d bytes, want at most %d", path, info.Size(), limit)
	}
	text, err := os.ReadFile(path)
	if err == nil && lfs.IsPointer(text) {
		err = fmt.Errorf("%s: %w", path, lfs.ErrPointer)
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), err // some editors write a byte order mark
}

// files is the weights of a folder, by the names of its files.
type files interface {
	opened
	Tensors
}

func openWeights(dir string) (files, []string, error) {
	for _, name := range []string{weightsFile, modelFile} {
		f, err := OpenFile(filepath.Join(dir, name))
		if err == nil {
			return f, f.Names(), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || isLink(filepath.Join(dir, name)) {
			return nil, nil, err
		}
	}
	index := filepath.Join(dir, indexFile)
	text, err := readSmall(index, maxHeader)
	if errors.Is(err, fs.ErrNotExist) && !isLink(index) {
		return nil, nil, fmt.Errorf("%s: no weights, want %s, %s or %s next to %s", dir, weightsFile, modelFile, indexFile, configFile)
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := openShards(index, text)
	if err != nil {
		return nil, nil, err
	}
	return s, s.names, nil
}

// isLink reports whether a path is that of a symbolic link.
func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// check returns an error if the parameters of c and the tensors called names differ.
func check(c runners.Config, w opened, names []string) error {
	have := make(map[string]bool, len(names))
	for _, n := range names {
		have[n] = true
	}
	var missing []string
	ps := c.Parameters()
	for _, p := range ps {
		if !have[p.Name] {
			missing = append(missing, p.Name)
		}
		delete(have, p.Name)
	}
	if len(missing) == len(ps) {
		if before := prefix(ps, have); before != "" {
			return fmt.Errorf("%s: the tensors' names begin with %q, want the names of %s without it, such as %q\n  hint: save the module inside, or rename the tensors",
				w.Source(), before, c.Label, ps[0].Name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s: %d of the %d tensors of a %s are missing: %s", w.Source(), len(missing), len(ps), c.Label, quoteSome(missing))
	}
	if len(have) > 0 {
		extra := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !have[n] })
		return fmt.Errorf("%s: %d tensors do not belong to a %s of %d layers: %s", w.Source(), len(extra), c.Label, c.Depth(), quoteSome(extra))
	}
	for _, p := range ps {
		if err := w.check(p); err != nil {
			return err
		}
	}
	return nil
}

// opened is Weights that can be checked without reading their data.
type opened interface {
	runners.Weights
	check(runners.TensorSpec) error
}

// Tensors is the tensors of a folder, by the names of its files.
type Tensors interface {
	// Names lists the tensors.
	Names() []string
	// Info describes a tensor. It is the zero Info if there is none of that name.
	Info(name string) Info
	// Get returns a tensor: see File.Get. Bytes returns its stored bytes, whatever its type is.
	Get(name string) (runners.Tensor, error)
	Bytes(name string) ([]byte, error)
	// Source is the name of the file, or of the index of several files.
	Source() string
	Close() error
}

// Info describes a stored tensor.
type Info struct {
	// Type is the format's name of the number type, such as "BF16".
	Type  string
	Shape []int64
	// Bytes is the stored size.
	Bytes int64
}

// HasTensors reports whether a folder has weights that OpenTensors opens.
func HasTensors(dir string) bool {
	return slices.ContainsFunc([]string{weightsFile, modelFile, indexFile}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name)) // a broken link is an error of OpenTensors
		return err == nil
	})
}

// OpenTensors opens the safetensors files of a folder as memory maps, whatever their tensors are.
func OpenTensors(dir string) (Tensors, error) {
	w, _, err := openWeights(dir)
	if err != nil {
		return nil, err // not a typed nil pointer
	}
	return w, nil
}

// shards is a checkpoint split into several files by an index.
type shards struct {
	source string
	names  []string
	files  []*File
	where  map[string]*File
}

func openShards(index string, text []byte) (*shards, error) {
	j, err := newJSON(index, text)
	if err != nil {
		return nil, err
	}
	s := &shards{source: index, where: map[string]*File{}}
	byName := map[string]*File{}
	fail := func(err error) (*shards, error) { return nil, errors.Join(err, s.Close()) }
	err = j.object("the index", func(key string) error {
		if key != "weight_map" {
			return j.skip(key)
		}
		return j.object(key, func(tensor string) error {
			file, err := j.str("weight_map." + tensor)
			if err != nil {
				return err
			}
			f := byName[file]
			if f == nil {
				if file != filepath.Base(file) || strings.ContainsAny(file, `/\:`) || file == "." || file == ".." || file == "" {
					return j.errorf("weight_map.%s is %q, want the name of a file next to the index", tensor, file)
				}
				if len(s.files) == maxShards {
					return j.errorf("weight_map names more than %d files", maxShards)
				}
				if f, err = OpenFile(filepath.Join(filepath.Dir(index), file)); err != nil {
					return err
				}
				s.files = append(s.files, f)
				byName[file] = f
			}
			if !f.Has(tensor) {
				return j.errorf("weight_map maps %q to %s, which has no such tensor", tensor, file)
			}
			s.where[tensor] = f
			s.names = append(s.names, tensor)
			return nil
		})
	})
	if err == nil {
		err = j.end()
	}
	if err == nil && len(s.names) == 0 {
		err = fmt.Errorf("%s: no weight_map, want {\"weight_map\": {tensor: file}}", index)
	}
	if err != nil {
		return fail(err)
	}
	return s, nil
}

func (s *shards) Tensor(p runners.TensorSpec) (runners.Tensor, error) {
	if err := s.check(p); err != nil {
		return runners.Tensor{}, err
	}
	return s.where[p.Name].Tensor(p)
}

func (s *shards) check(p runners.TensorSpec) error {
	f := s.where[p.Name]
	if f == nil {
		return s.missing(p.Name)
	}
	return f.check(p)
}

// Names lists the tensors in the order of the index.
func (s *shards) Names() []string { return slices.Clone(s.names) }

func (s *shards) Info(name string) Info {
	if f := s.where[name]; f != nil {
		return f.Info(name)
	}
	return Info{}
}

func (s *shards) Get(name string) (runners.Tensor, error) {
	f := s.where[name]
	if f == nil {
		return runners.Tensor{}, s.missing(name)
	}
	return f.Get(name)
}

func (s *shards) Bytes(name string) ([]byte, error) {
	f := s.where[name]
	if f == nil {
		return nil, s.missing(name)
	}
	return f.Bytes(name)
}

func (s *shards) missing(name string) error {
	return fmt.Errorf("%s: no tensor %q%s", s.source, name, didYouMean(name, s.names))
}

func (s *shards) Source() string { return s.source }

func (s *shards) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
