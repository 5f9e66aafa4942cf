package runners

import (
	"context"
	"errors"
	"fmt"
)

// Errors that are results rather than failures: the case that meets one is recorded with its
// status, and the run continues.
var (
	// ErrOutOfMemory: the request exceeds the device's memory or the given budget.
	ErrOutOfMemory = errors.New("out of memory")
	// ErrUnsupported: this runner or model does not support the request.
	ErrUnsupported = errors.New("unsupported")
)

// ErrDeviceLost: the device failed, and this process can no longer use it. No later case can be
// measured on it in this process; a new process may succeed.
var ErrDeviceLost = errors.New("the device is lost")

// Device describes what a runner runs on.
type Device struct {
	// Kind is "cpu", "cuda" or "computed".
	Kind string `json:"kind"`
	// Name is the hardware's own name, such as "AMD EPYC".
	Name string `json:"name"`
	// Tier is the kernel tier in use, such as "avx512-f32", and Why the reason for the choice.
	Tier string `json:"tier,omitempty"`
	Why  string `json:"why,omitempty"`
	// Threads is the number of worker threads of a CPU runner.
	Threads int `json:"threads,omitempty"`
	// Memory is the number of bytes that the runner may use.
	Memory int64 `json:"memory,omitempty"`
	// Room is the number of bytes that several loaded models and their sequences may hold together,
	// 0 if the runner does not report it.
	Room int64 `json:"room,omitempty"`
}

// Options are set when a model is loaded and affect speed, memory or precision.
type Options struct {
	// Threads is the number of worker threads; 0 means all cores.
	Threads int
	// Tier forces a kernel tier; empty means the best that the processor supports.
	Tier string
	// Weights is the number type of weights in the device's memory, KV that of the KV cache.
	// Retention state is always float32 (a decay of .998 rounds to 1 in bfloat16).
	Weights, KV DType
	// MemoryBudget limits the bytes held by the model, its sequences and its workspace; 0 means the
	// machine's memory. Exceeding it returns ErrOutOfMemory.
	MemoryBudget int64
	// PrefillChunk is the number of tokens per prefill pass; 0 means the runner's default.
	PrefillChunk int
}

// Runner loads models onto one kind of device.
type Runner interface {
	Name() string
	Device() Device
	Load(Config, Weights, Options) (Instance, error)
}

// StoredSizer is implemented by Runners that keep quantized weights in their stored form (Stored).
type StoredSizer interface {
	// StoredSize returns the mean number of bytes that a matrix's weight takes in memory. It is an
	// error if no matrix would keep its stored form.
	StoredSize(Config, Weights, Options) (float64, error)
}

// Model is a loaded model. Its capabilities are the other interfaces that it implements: Stepper,
// Scorer, Completer, Meter. A Model and what it makes are used by one goroutine at a time.
type Model interface {
	Close() error
}

// Stepper is a model that decodes token by token.
type Stepper interface {
	Model
	// Vocab is the number of token ids, and the length of a row of logits.
	Vocab() int
	// CanTruncate reports whether Sequence.Truncate is free.
	CanTruncate() bool
	// NewSequence makes an empty sequence with room for capacity tokens, and allocates its memory
	// at once. It returns ErrOutOfMemory if that is not possible.
	NewSequence(capacity int) (Sequence, error)
	// Prefill appends tokens and fills the caches. It computes no logits, and stops after the last
	// layer that writes a cache or a state (the early exit).
	Prefill(ctx context.Context, s Sequence, tokens []int) error
	// Step appends one token to each sequence and writes the logits of the next token of sequence i
	// to logits[i], each of length Vocab().
	Step(ctx context.Context, ss []Sequence, tokens []int, logits [][]float32) error
	// Score appends tokens and emits, in order, the log-probability in nats of each of tokens[1:]
	// given all tokens before it; pos is its position in the sequence. tokens[0] is not emitted,
	// because the logits before it were not computed. To score an answer after a prompt, prefill
	// all of the prompt except its last token, and score that token and the answer. Every layer is
	// computed at every position: there is no early exit.
	Score(ctx context.Context, s Sequence, tokens []int, emit func(pos int, logprob float32)) error
}

// Meter is a model that reports the memory that it holds.
type Meter interface {
	// Usage is the memory held now, by part, and the largest total since the last ResetPeak.
	Usage() Usage
	// ResetPeak frees the workspace, which grows again when needed, and sets the peak to what is
	// held then. Later measurements do not depend on what ran before.
	ResetPeak()
}

// Instance is a model loaded by a Runner: its layers are known and it runs on a device of this
// machine.
type Instance interface {
	Stepper
	Meter
	Config() Config
}

// Sequence is the context of one text: its caches and its length.
type Sequence interface {
	// Len is the number of tokens held, Capacity the largest number that it can hold.
	Len() int
	Capacity() int
	// Fork returns an independent copy with the same capacity.
	Fork() (Sequence, error)
	// Truncate cuts the sequence back to its first n tokens. It is free if Config.CanTruncate. A
	// retention state or a window cannot be cut back, so the layers up to the last one that has
	// either recompute the n tokens; use Fork to avoid that.
	Truncate(ctx context.Context, n int) error
	Close() error
}

// Usage is memory by part, in bytes.
type Usage struct {
	Weights int64 `json:"weights"`
	// GlobalKV is the KV cache of the whole context: one pair of keys and values for a YOCO, one
	// per layer for a Transformer.
	GlobalKV int64 `json:"global_kv"`
	// WindowKV is the KV cache of the last Window tokens in each sliding-window layer.
	WindowKV int64 `json:"window_kv"`
	// State is the retention state of each retention layer.
	State int64 `json:"state"`
	// Workspace is activations, logits, kernel scratch and, for sequences that cannot be truncated
	// for free, the tokens that Truncate needs (4 bytes each).
	Workspace int64 `json:"workspace"`
	// Peak is the largest total held at one time; only measured usage has it.
	Peak int64 `json:"peak,omitempty"`
}

// Total is the sum of the parts.
func (u Usage) Total() int64 {
	return AddBytes(u.Weights, u.GlobalKV, u.WindowKV, u.State, u.Workspace)
}

// Cache is the sum of the parts that a sequence holds.
func (u Usage) Cache() int64 { return u.GlobalKV + u.WindowKV + u.State }

// CacheBytes computes the memory of one sequence with room for capacity tokens: keys and values of
// type kv, retention state in float32. It is the sum over all layers:
//
//	global KV   2 x kv_heads x head_dim x size(kv) x tokens
//	window KV   2 x kv_heads x head_dim x size(kv) x min(window, tokens)
//	state       heads x head_dim² x 4
func (c Config) CacheBytes(capacity int, kv DType) (u Usage) {
	for _, l := range c.Layers {
		m := l.Mixer
		pair := 2 * int64(m.KVDim()) * int64(kv.Size())
		switch {
		case m.Kind == Retention:
			u.State += int64(m.QDim()) * int64(m.HeadDim) * 4
		case m.Window > 0:
			u.WindowKV += pair * int64(min(m.Window, capacity))
		case m.Global():
			u.GlobalKV += pair * int64(capacity)
		}
	}
	return u
}

// Tensor is one stored weight. Data is little-endian and row-major, and may be mapped from a file:
// read it only while its Weights is open. If Data is nil, Values computes the values, so that a
// converted or random tensor takes no memory: it fills dst with the values from index i on, rounded
// to DType. Values may be called concurrently.
type Tensor struct {
	Name   string
	DType  DType
	Shape  []int
	Data   []byte
	Values func(dst []float32, i int)
	// Blocks is the quantized form in which the file stores a matrix, nil if it is not quantized.
	// Values and DType are set as well, so a runner may ignore it.
	Blocks *Blocks
}

// Blocks is a matrix [out, in] in quantized blocks. A loader sets it only where in is a whole
// number of blocks.
type Blocks struct {
	// Type is the type's name in GGUF, such as "Q4_K".
	Type string
	// Row returns the blocks of row i < out, in ggml's layout: in/values blocks, each a block's
	// bytes. If the loader permutes or splits rows, row i is row i of Tensor.Shape, not of the
	// file. The bytes are read-only and valid as long as Data would be. Several goroutines may call
	// it.
	Row func(i int) []byte
}

// Weights provides a model's tensors by name.
type Weights interface {
	// Tensor returns the tensor of a parameter, of shape p.Shape. Its error says what is missing or
	// has another shape.
	Tensor(p TensorSpec) (Tensor, error)
	// Source says where the weights come from, for records: a file, "embedded" or "random seed 1".
	Source() string
	Close() error
}

// WeightTypes is implemented by Models that report the types in which they hold their matrices.
type WeightTypes interface {
	// WeightTypes returns the bytes of the matrices by the name of their type: a DType's, or that
	// of quantized blocks, such as "Q4_K".
	WeightTypes() map[string]int64
}

// Counts are operations counted by the device while it performs them (not by the cost model).
type Counts struct {
	// FLOPs is counted by part of the model; a multiply-add is two. Only matrix products count:
	// projections, attention scores and sums, retention.
	FLOPs map[Part]int64
}

// Counter is implemented by Models that count operations.
type Counter interface {
	// Counts returns the counts since the last ResetCounts.
	Counts() Counts
	ResetCounts()
}

// DeviceMemory is implemented by Models whose driver reports memory: the bytes of device memory in
// use by any process, and the total.
type DeviceMemory interface {
	DeviceMemory() (used, total int64, err error)
}

// Chooser is implemented by Models whose device chooses between equivalent algorithms by measuring
// them.
type Chooser interface {
	// AlgorithmLog returns the algorithms chosen since the last call, one line each, with their
	// measurements.
	AlgorithmLog() []string
}

// Cased is implemented by Models that need to know where a case begins and ends.
type Cased interface {
	// BeginCase is called before each case. ctx ends with the case.
	BeginCase(ctx context.Context)
	// EndCase is called after each case. It returns notes for the case's record, and an error that
	// the model could not return during the case; a case with such an error has failed.
	EndCase() (notes []string, err error)
}

// Greedy is implemented by Models that choose tokens on the device, so that no logits are copied to
// the host.
type Greedy interface {
	// Greedy is Step, but writes to out[i] the most likely token after sequence i (the lowest id
	// among equals). out may be tokens. If all logits of a sequence are NaN, the error wraps
	// ErrNotFinite.
	Greedy(ctx context.Context, ss []Sequence, tokens, out []int) error
	// Logits writes the logits of the last Greedy to logits[i], each of length Config().Vocab.
	Logits(logits [][]float32) error
}

// Inspector is implemented by Models that expose intermediate results: the tensors of the reference
// fixtures (hidden.n, khat, vhat, gret_state.i, swa_key.i, final_norm, logits, …).
type Inspector interface {
	// Inspect appends tokens to an empty sequence, computes every layer, and emits each tensor
	// once.
	Inspect(ctx context.Context, s Sequence, tokens []int, emit func(name string, shape []int, data []float32)) error
}

// CheckTokens returns an error for the first token outside the vocabulary.
func CheckTokens(c Config, tokens []int) error {
	for i, t := range tokens {
		if t < 0 || t >= c.Vocab {
			return fmt.Errorf("token %d is %d, outside the vocabulary of %d", i, t, c.Vocab)
		}
	}
	return nil
}
