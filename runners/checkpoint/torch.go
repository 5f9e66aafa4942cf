package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/safefile"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint/pth"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// Checkpoints of the reference implementation (microsoft/unilm, folder YOCO). It loads a state dict
// from checkpoint.pth and sizes from params.json in the same folder. Its training, with fairseq,
// saves a dict with the state dict as "model", the command line's arguments in "cfg" or "args", and
// the optimizer's state, which is not read.

// paramsFile has the sizes of a model: the constructor arguments of the reference implementation.
const paramsFile = "params.json"

// Torch is a checkpoint of the reference implementation that PyTorch saved, open for conversion.
type Torch struct {
	Config runners.Config
	// DType is the type that holds the stored values of every tensor; float64 is rounded to F32.
	DType runners.DType
	w     *torchWeights
	// vocabulary is a copy of the tokenizer's file, and file its name in the model's folder.
	vocabulary []byte
	file       string
}

// OpenTorch opens a file of torch.save with a model of the reference implementation. The sizes are
// read from params, a file such as the reference's params.json. If params is empty, they are read
// from the arguments in the checkpoint, or else from params.json in its folder. Nothing of the file
// is executed. The caller closes the result.
func OpenTorch(path, params string) (*Torch, error) {
	f, err := pth.Open(path)
	if err != nil {
		return nil, err
	}
	t := &Torch{w: &torchWeights{file: f, tensors: map[string]*pth.Tensor{}}}
	if err := t.read(params); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return t, nil
}

// SetTokenizer sets the model's tokenizer: a name that configs have, or a file cl100k_base.tiktoken
// or tokenizer.model, which Save copies to the model's folder (see OpenTokenizer).
func (t *Torch) SetTokenizer(name string) error {
	file := filepath.Base(name)
	if file != cl100kRanks && file != spmTokenizer {
		t.Config.Tokenizer = name
		err := t.Config.Validate()
		if err != nil && strings.ContainsAny(name, `/\.`) {
			return fmt.Errorf("the tokenizer %s: want \"bytes\" or a file named %s or %s", name, cl100kRanks, spmTokenizer)
		}
		return err
	}
	tok, err := fileTokenizer(name, tokenizer.YOCO())
	if err != nil {
		return err
	}
	if tok.Vocab() > t.Config.Vocab {
		return fmt.Errorf("%s: the tokenizer has %d ids, but the model has %d", name, tok.Vocab(), t.Config.Vocab)
	}
	t.vocabulary, err = readSmall(name, maxTokenizer)
	t.file = file
	return err
}

// Save writes the model as a folder that Open reads.
func (t *Torch) Save(dir string) error {
	if t.file != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := safefile.WriteBytes(filepath.Join(dir, t.file), t.vocabulary); err != nil {
			return err
		}
	}
	return Save(dir, t.Config, t.w, t.DType)
}

// Close closes the file.
func (t *Torch) Close() error { return t.w.Close() }

func (t *Torch) read(params string) error {
	state, args, err := torchParts(t.w.file)
	if err != nil {
		return err
	}
	names, err := t.w.add(state)
	if err != nil {
		return err
	}
	if t.Config, err = torchConfig(t.w, params, args); err != nil {
		return err
	}
	if err := check(t.Config, t.w, names); err != nil {
		return err
	}
	t.DType = t.w.dtype()
	return nil
}

// torchParts returns the state dict of a file, and the arguments that were saved with it, if any.
func torchParts(f *pth.File) (state, args *pth.Dict, err error) {
	top, ok := f.Root.(*pth.Dict)
	if !ok {
		return nil, nil, fmt.Errorf("%s: the saved object is no dict, want a state dict\n  hint: torch.save(MODEL.state_dict(), NEW)", f.Name())
	}
	v, ok := top.Get("model")
	if !ok {
		return top, nil, nil
	}
	if state, ok = v.(*pth.Dict); !ok {
		return nil, nil, fmt.Errorf("%s: \"model\" is no dict, want a state dict", f.Name())
	}
	cfg, _ := top.Get("cfg")
	if c, ok := cfg.(*pth.Dict); ok {
		model, _ := c.Get("model")
		if args = attributes(model); args != nil {
			return state, args, nil
		}
	}
	old, _ := top.Get("args")
	return state, attributes(old), nil
}

// attributes returns the items of a dict or a Namespace, nil if v is neither.
func attributes(v any) *pth.Dict {
	switch v := v.(type) {
	case *pth.Dict:
		return v
	case *pth.Namespace:
		return &v.Dict
	}
	return nil
}

// torchConfig reads the sizes of the model with the tensors of w.
func torchConfig(w *torchWeights, params string, args *pth.Dict) (runners.Config, error) {
	if params == "" && args != nil {
		text, err := torchArgs(w.arch(), args)
		if err != nil {
			return runners.Config{}, fmt.Errorf("%s: %w", w.Source(), err)
		}
		return torchParams(w, w.Source()+": the arguments", "arguments", text)
	}
	file := params
	if file == "" {
		file = filepath.Join(filepath.Dir(w.Source()), paramsFile)
	}
	text, err := readSmall(file, maxConfig)
	if params == "" && errors.Is(err, fs.ErrNotExist) {
		return runners.Config{}, fmt.Errorf("%s: neither the checkpoint nor a %s in its folder has the model's sizes\n"+
			"  hint: --params names a file with the constructor arguments of the reference: {\"dim\": 3072, \"n_layers\": 26, ...}", w.Source(), paramsFile)
	}
	if err != nil {
		return runners.Config{}, err
	}
	return torchParams(w, file, "the file", text)
}

// partsArg is the argument with the number of files that a model is split into.
const partsArg = "model_parallel_size"

// torchArgs returns the constructor arguments among those of a training, as JSON. Only numbers are
// kept: None means absent, and a training's sliding_window is a boolean without effect.
func torchArgs(arch string, args *pth.Dict) ([]byte, error) {
	f := families[arch]
	picked := map[string]any{}
	for _, name := range slices.Concat(f.required, f.optional, []string{partsArg, "tokens_per_sample"}) {
		v, _ := args.Get(name)
		switch v.(type) {
		case int64, float64:
		default:
			continue
		}
		if name == "tokens_per_sample" {
			name = "max_seq_len"
		}
		picked[name] = v
	}
	return json.Marshal(picked)
}

// torchParams makes a config from constructor arguments.
func torchParams(w *torchWeights, file, what string, text []byte) (runners.Config, error) {
	r := rawConfig{arch: w.arch(), archAt: file, args: map[string]arg{}, argsAt: file, argsName: what}
	j, err := newJSON(file, text)
	if err != nil {
		return runners.Config{}, err
	}
	err = j.object(what, func(name string) error {
		switch name {
		case partsArg:
			n, set, err := j.optionalInteger(name)
			if err == nil && set && n != 1 {
				err = j.errorf("%s is %d, want 1: the parts of a model are not merged", name, n)
			}
			return err
		case "max_seq_len":
			n, set, err := j.optionalInteger(name)
			if err == nil && set && n < 1 && n != -1 {
				err = j.errorf("%s is %d, want 1 or more, or the reference's default of -1", name, n)
			}
			r.maxSeqLen = max(0, int(n))
			return err
		}
		return r.argument(j, name)
	})
	if err == nil {
		err = j.end()
	}
	if err != nil {
		return runners.Config{}, err
	}
	if _, ok := r.args["vocab_size"]; !ok {
		if n := w.vocab(); n > 0 { // a training takes it from its tokenizer
			r.args["vocab_size"] = arg{float64(n), file}
		}
	}
	return r.config(file)
}

// torchWeights are the tensors of a state dict, by their names without wrappers and prefix.
type torchWeights struct {
	file    *pth.File
	tensors map[string]*pth.Tensor
}

// prefixes are what fairseq puts before the names of a model, the longest first.
var prefixes = []string{"decoder.model.", "decoder.", "model."}

// add adds the tensors of a state dict and returns their names in its order.
func (w *torchWeights) add(state *pth.Dict) (names []string, err error) {
	total := int64(0)
	for _, it := range state.Items {
		name, ok := it.Key.(string)
		if !ok {
			return nil, fmt.Errorf("%s: the state dict has a key that is no string", w.Source())
		}
		t, ok := it.Value.(*pth.Tensor)
		if !ok {
			return nil, fmt.Errorf("%s: %q in the state dict is no tensor", w.Source(), name)
		}
		name = unwrapped(name)
		for _, p := range prefixes {
			if rest, ok := strings.CutPrefix(name, p); ok {
				name = rest
				break
			}
		}
		if w.tensors[name] != nil {
			return nil, fmt.Errorf("%s: two tensors are named %q, without wrappers and prefix", w.Source(), name)
		}
		w.tensors[name] = t
		names = append(names, name)
		_, size := t.Type()
		if total += t.Len() * size; total > 2*w.file.Size() {
			return nil, fmt.Errorf("%s: the tensors have more than twice the bytes of the file: they share storages", w.Source())
		}
	}
	return names, nil
}

// arch returns the architecture to which the tensors' names belong.
func (w *torchWeights) arch() string {
	yoco := false
	for name := range w.tensors {
		if strings.Contains(name, ".gt_proj.") {
			return "yoco_gret"
		}
		yoco = yoco || strings.HasPrefix(name, "cross_decoder.")
	}
	if yoco {
		return "yoco_swa"
	}
	return "transformer"
}

// vocab returns the number of rows of the embedding, 0 if there is none.
func (w *torchWeights) vocab() int64 {
	for _, name := range []string{"embed_tokens.weight", "tok_embeddings.weight"} {
		if t := w.tensors[name]; t != nil && len(t.Shape) == 2 {
			return t.Shape[0]
		}
	}
	return 0
}

// torchTypes are the types of storages that weights can have.
var torchTypes = map[string]runners.DType{"Float": runners.F32, "Half": runners.F16, "BFloat16": runners.BF16, "Double": runners.F32}

// dtype returns the type of all tensors, F32 if they differ.
func (w *torchWeights) dtype() runners.DType {
	kinds := map[runners.DType]bool{}
	only := runners.F32
	for _, t := range w.tensors {
		kind, _ := t.Type()
		only = torchTypes[kind]
		kinds[only] = true
	}
	if len(kinds) > 1 {
		return runners.F32
	}
	return only
}

// check checks, without reading it, that Tensor(p) can be read.
func (w *torchWeights) check(p runners.TensorSpec) error {
	t := w.tensors[p.Name]
	if t == nil {
		return fmt.Errorf("%s: no tensor %q", w.Source(), p.Name)
	}
	kind, _ := t.Type()
	if _, ok := torchTypes[kind]; !ok {
		return fmt.Errorf("%s: tensor %q is of type %s, want Float, Half, BFloat16 or Double", w.Source(), p.Name, kind)
	}
	if !slices.EqualFunc(p.Shape, t.Shape, func(a int, b int64) bool { return int64(a) == b }) {
		return fmt.Errorf("%s: tensor %q has shape %v, but the sizes make it %v", w.Source(), p.Name, t.Shape, p.Shape)
	}
	return nil
}

// Tensor returns the tensor of a parameter (see runners.Weights).
func (w *torchWeights) Tensor(p runners.TensorSpec) (runners.Tensor, error) {
	if err := w.check(p); err != nil {
		return runners.Tensor{}, err
	}
	stored := w.tensors[p.Name]
	kind, _ := stored.Type()
	data, err := w.file.Bytes(stored)
	t := runners.Tensor{Name: p.Name, DType: torchTypes[kind], Shape: p.Shape}
	if kind == "Double" {
		t.Values = doubles(data)
	} else {
		t.Data = data
	}
	return t, err
}

// Source is the file's name.
func (w *torchWeights) Source() string { return w.file.Name() }

// Close closes the file.
func (w *torchWeights) Close() error { return w.file.Close() }
