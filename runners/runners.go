package runners

import (
	"context"
	"errors"
	"fmt"
)

// Errors that are results rather than accidents: a case that meets one is
// recorded with its status and the sweep goes on.
var (
	// ErrOutOfMemory: the device's memory or the given budget does not hold what was asked for.
	ErrOutOfMemory = errors.New("out of memory")
	// ErrUnsupported: this runner or model cannot do what was asked.
	ErrUnsupported = errors.New("unsupported")
)

// ErrDeviceLost: the device failed, and this process can no longer use it. No later case can be
// measured by it; a new process may.
var ErrDeviceLost = errors.New("the device is lost")

// Device says what a runner runs on.
type Device struct {
	// Kind is "cpu", "cuda" or "computed".
	Kind string `json:"kind"`
	// Name is the processor's own name, such as "AMD EPYC".
	Name string `json:"name"`
	// Tier is the kernel tier in use, such as "avx512-f32", and Why the reason it was chosen.
	Tier string `json:"tier,omitempty"`
	Why  string `json:"why,omitempty"`
	// Threads is the number of worker threads of a CPU runner.
	Threads int `json:"threads,omitempty"`
	// Memory is the number of bytes that the runner may hold.
	Memory int64 `json:"memory,omitempty"`
	// Room is how many bytes several loaded models and their sequences may hold together;
	// 0 where the runner does not say.
	Room int64 `json:"room,omitempty"`
}

// Options are the choices at load that change speed, memory or precision.
type Options struct {
	// Threads is the number of worker threads; 0 takes all cores.
	Threads int
	// Tier forces a kernel tier; empty takes the best that the processor has.
	Tier string
	// Weights is the type that weights have in the device's memory, KV that of the key/value
	// caches. Retention state is always float32 (a decay of .998 is 1 in bfloat16).
	Weights, KV DType
	// MemoryBudget bounds the bytes held by the model, its sequences and its
	// workspace; 0 means what the machine has. Beyond it: ErrOutOfMemory.
	MemoryBudget int64
	// PrefillChunk is the number of tokens computed at once; 0 takes the runner's default.
	PrefillChunk int
}

// Runner loads models onto one kind of device.
type Runner interface {
	Name() string
	Device() Device
	Load(Config, Weights, Options) (Instance, error)
}

// Model is a loaded model. What it can do is told by the further interfaces that it implements:
// Stepper, Scorer, Completer, Meter. A Model and what it makes are used by one goroutine at a time.
type Model interface {
	Close() error
}

// Stepper is a model that decodes token by token.
type Stepper interface {
	Model
	// Vocab is the number of token ids, and the length of a row of logits.
	Vocab() int
	// CanTruncate reports whether Sequence.Truncate costs nothing.
	CanTruncate() bool
	// NewSequence makes an empty sequence that can hold capacity tokens, and
	// takes the memory for it at once: ErrOutOfMemory is an answer, not a crash.
	NewSequence(capacity int) (Sequence, error)
	// Prefill appends tokens and fills the caches. It computes no logits, and ends after the last
	// layer that writes a cache or a state (the early exit).
	Prefill(ctx context.Context, s Sequence, tokens []int) error
	// Step appends one token to each sequence and writes the logits of what
	// follows it to logits[i], each of length Vocab().
	Step(ctx context.Context, ss []Sequence, tokens []int, logits [][]float32) error
	// Score appends tokens and emits, in order, the log-probability in nats of
	// tokens[1:], each given all before it; pos is its position in the sequence.
	// tokens[0] is not emitted: what comes before it was computed by an earlier
	// call, without logits. So to score an answer after a prompt, prefill all of
	// the prompt but its last token, and score that token and the answer.
	// Every layer is computed at every position: no early exit.
	Score(ctx context.Context, s Sequence, tokens []int, emit func(pos int, logprob float32)) error
}

// Meter is a model that reports the memory that it holds.
type Meter interface {
	// Usage is the memory held now, by part, and the largest total since the last ResetPeak.
	Usage() Usage
	// ResetPeak gives back the workspace, which grows again as it is needed, and starts a new peak
	// at what is held then: what is measured afterwards does not depend on what ran before.
	ResetPeak()
}

// Instance is what a Runner loads: a model of known layers on a device of this machine.
type Instance interface {
	Stepper
	Meter
	Config() Config
}

// Sequence is the context of one text: its caches and its length.
type Sequence interface {
	// Len is the number of tokens held; Capacity how many it can hold.
	Len() int
	Capacity() int
	// Fork makes an independent copy with the same capacity.
	Fork() (Sequence, error)
	// Truncate cuts the sequence back to its first n tokens. Where Config.CanTruncate
	// it costs nothing. A retention state or a window cannot be cut back, so
	// the layers up to the last one of them compute n tokens again; keep a Fork where that matters.
	Truncate(ctx context.Context, n int) error
	Close() error
}

// Usage is memory by part, in bytes.
type Usage struct {
	Weights int64 `json:"weights"`
	// GlobalKV holds keys and values of the whole context: one pair for a YOCO, one for every layer
	// of a Transformer.
	GlobalKV int64 `json:"global_kv"`
	// WindowKV holds the last Window keys and values of each sliding-window layer.
	WindowKV int64 `json:"window_kv"`
	// State holds the retention state of each retention layer.
	State int64 `json:"state"`
	// Workspace holds activations, logits, kernels' scratch and, of sequences that cannot be
	// truncated for free, the tokens that Truncate needs (4 bytes each).
	Workspace int64 `json:"workspace"`
	// Peak is the largest total held at one time; only measured usage has it.
	Peak int64 `json:"peak,omitempty"`
}

// Total is the sum of the parts.
func (u Usage) Total() int64 {
	return AddBytes(u.Weights, u.GlobalKV, u.WindowKV, u.State, u.Workspace)
}

// Cache is the part that a sequence holds.
func (u Usage) Cache() int64 { return u.GlobalKV + u.WindowKV + u.State }

// CacheBytes is what one sequence with room for capacity tokens holds, by arithmetic: keys and
// values of type kv, retention state in float32. It is the sum over all layers:
//
//	global KV   2 x kv_heads x head_dim x size(kv) x tokens, where a layer keeps those of the whole context
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

// Tensor is one stored weight. Data is little-endian and row-major, perhaps
// mapped from a file: it may be read only while its Weights is open. Where Data
// is nil, Values computes the values, so that a tensor which is converted or
// random takes no memory of its own: it fills dst with those from index i on,
// as DType holds them. It may be called by several goroutines at once.
type Tensor struct {
	Name   string
	DType  DType
	Shape  []int
	Data   []byte
	Values func(dst []float32, i int)
	// Blocks is the quantised form in which the file stores a matrix, nil where it stores none.
	// Values and DType are set as well, so a runner may ignore it.
	Blocks *Blocks
}

// Blocks is a matrix [out, in] in quantised blocks. A loader sets it only where in is a whole
// number of blocks.
type Blocks struct {
	// Type is the type's name in GGUF, such as "Q4_K".
	Type string
	// Row returns the blocks of row i < out, in ggml's layout: in/values blocks, each a block's
	// bytes. If the loader permutes or splits rows, row i is that of Tensor.Shape, not of the file.
	// The bytes are read-only and valid as long as Data would be. Several goroutines may call it.
	Row func(i int) []byte
}

// Weights hands out a model's tensors by name.
type Weights interface {
	// Tensor returns the tensor of a parameter; its shape is p.Shape. An error
	// says what is missing or differs.
	Tensor(p TensorSpec) (Tensor, error)
	// Source says where the weights come from, for records: a file, "embedded" or "random seed 1".
	Source() string
	Close() error
}

// Counts are the operations that a device performed, counted by it as it did
// them (not from the cost model).
type Counts struct {
	// FLOPs by part of the model; a multiply-add counts two. Only matrix
	// products count: projections, attention scores and sums, retention.
	FLOPs map[Part]int64
}

// Counter is the capability of a Model to count operations.
type Counter interface {
	// Counts returns what was counted since the last ResetCounts.
	Counts() Counts
	ResetCounts()
}

// DeviceMemory is the capability of a Model to say what its device's driver counts: the bytes of
// the device's memory in use, whoever uses them, and in all.
type DeviceMemory interface {
	DeviceMemory() (used, total int64, err error)
}

// Chooser is the capability of a Model whose device chooses by measuring between ways of computing
// the same.
type Chooser interface {
	// AlgorithmLog returns the algorithms used since the last call, a line each, with what was
	// measured.
	AlgorithmLog() []string
}

// Greedy is the capability of a Model to choose tokens on its device, so that no logits come to the
// host.
type Greedy interface {
	// Greedy is Step, but writes to out[i] the most likely token after sequence i (of equals the
	// lowest id). out may be tokens. Where no logit of a sequence is a number, the error wraps
	// ErrNotFinite.
	Greedy(ctx context.Context, ss []Sequence, tokens, out []int) error
	// Logits writes the logits of the last Greedy to logits[i], each of length Config().Vocab.
	Logits(logits [][]float32) error
}

// Inspector is the capability of a Model to show what is inside: the tensors
// of the reference fixtures (hidden.n, khat, vhat, gret_state.i, swa_key.i,
// final_norm, logits, …).
type Inspector interface {
	// Inspect appends tokens to an empty sequence, computing every layer, and emits each tensor
	// once.
	Inspect(ctx context.Context, s Sequence, tokens []int, emit func(name string, shape []int, data []float32)) error
}

// CheckTokens reports the first token outside the vocabulary.
func CheckTokens(c Config, tokens []int) error {
	for i, t := range tokens {
		if t < 0 || t >= c.Vocab {
			return fmt.Errorf("token %d is %d, outside the vocabulary of %d", i, t, c.Vocab)
		}
	}
	return nil
}
