package runners

import "math"

// Part is the part of a model that an operation belongs to.
type Part string

// The parts by which FLOPs and bytes are counted.
const (
	PartEmbed Part = "embed"
	// PartSelf is the self-decoder of a decoder-decoder.
	PartSelf Part = "self-decoder"
	// PartKV is the projection of the self-decoder's output to the global keys and values.
	PartKV Part = "global kv"
	// PartCross is the cross-decoder.
	PartCross Part = "cross-decoder"
	// PartLayers is all layers of a model that is not a decoder-decoder.
	PartLayers Part = "layers"
	// PartHead is the final norm and the output matrix.
	PartHead Part = "head"
)

// Ops is a device as an architecture sees it: memory, and coarse operations on it. Operations are
// enqueued in order and may run later. Nothing is copied to the host except by Read, LogProbs and
// the Read methods of KV and State, which wait. Slices and Batches passed in are read before the
// call returns. There are no per-element callbacks, so a device can fuse, split and overlap
// operations freely. After an operation fails, every later one does nothing; Sync returns the
// error.
//
// Activations are Buffers of [rows, cols], row-major; a Mat is a range of a Buffer's columns.
// Operations on activations use rows 0..rows-1. dst may be the same Mat as an input only where
// documented.
type Ops interface {
	// Weight lays out the tensors, stacked along their first axis, as one matrix [sum of out, in]
	// or as one vector. All must have the same in.
	Weight(stack ...Tensor) (Weight, error)
	// Buffer makes a buffer for activations. Its content is undefined.
	Buffer(kind BufferKind, rows, cols int) (Buffer, error)
	// GlobalKV makes a cache for keys and values of heads x headDim at positions 0..capacity-1.
	GlobalKV(heads, headDim, capacity int) (KV, error)
	// WindowKV makes a cache for keys and values of the last window positions; capacity limits the
	// length of the sequence.
	WindowKV(heads, headDim, window, capacity int) (KV, error)
	// State makes a zeroed retention state [heads, headDim (key), headDim (value)], float32.
	State(heads, headDim int) (State, error)
	// Rope prepares rotary positions. Angles are position x freq[j] for j < headDim/2.
	Rope(r Rope) RopeTable

	// Begin starts a pass over a batch: the device may upload spans and prepare the angles of the
	// positions. Part sets the part of the model for which later operations are counted.
	Begin(b *Batch)
	Part(p Part)

	// Embed: dst[r] = table[tokens[r]] x scale. dst is Residual.
	Embed(dst Mat, table Weight, tokens []int, scale float32)
	// RMSNorm: dst[r] = x[r] / sqrt(mean(x[r]²) + eps) * w. x is Residual, dst is not.
	RMSNorm(rows int, dst, x Mat, w Weight, eps float32)
	// Linear computes dst = x Wᵀ, where dst is Inner or Logits. LinearAdd computes dst += x Wᵀ,
	// where dst is Residual.
	Linear(rows int, dst, x Mat, w Weight)
	LinearAdd(rows int, dst, x Mat, w Weight)
	// GLU: dst = act(x W1ᵀ) * (x W2ᵀ) where w is W1 stacked on W2, each [dst.Cols, x.Cols].
	GLU(rows int, dst, x Mat, w Weight, act Activation)
	// Copy: dst = x. x is Residual, dst is not.
	Copy(rows int, dst, x Mat)
	// AddNorm: dst[r] += x[r] / sqrt(mean(x[r]²) + eps) * w. dst is Residual, x is not.
	AddNorm(rows int, dst, x Mat, w Weight, eps float32)
	// HeadNorm is RMSNorm of x in place, of each of heads equal runs of a row's columns, with one w
	// for all of them.
	HeadNorm(rows int, x Mat, heads int, w Weight, eps float32)
	// AddBias: x[r] += b.
	AddBias(rows int, x Mat, b Weight)
	// SoftCap: x = cap tanh(x / cap). x is Logits.
	SoftCap(rows int, x Mat, cap float32)
	// AppendKV rotates k by the rows' positions and writes k and v to the caches; kv[i] belongs to
	// span i of the batch. k and v have (kv heads) x (head dim) columns. The content of k is
	// undefined afterwards.
	AppendKV(b *Batch, kv []KV, k, v Mat, rope RopeTable)
	// Attend, AttendWindow and Retain: see Attended, Windowed and Retained.
	Attend(b *Batch, a Attended)
	AttendWindow(b *Batch, w Windowed)
	Retain(b *Batch, r Retained)

	// LogProbs writes out[r] = log softmax(logits)[targets[r]] for r < len(targets), where logits
	// is x[r] Wᵀ, bounded as by SoftCap where cap is not 0. It makes no [rows, vocab] matrix for
	// long inputs, and waits for the result.
	LogProbs(x Mat, w Weight, cap float32, targets []int, out []float32) error
	// Read copies rows 0..len(dst)-1 of m to the host, and waits.
	Read(m Mat, dst [][]float32) error
	// Sync waits for all operations and returns the first error.
	Sync() error

	// Usage, ResetPeak, Counts and ResetCounts: see Meter and Counter.
	Usage() Usage
	ResetPeak()
	Counts() Counts
	ResetCounts()
	// PrefillChunk is the device's preferred number of rows per pass.
	PrefillChunk() int
	// Close frees all memory of weights and buffers. Owners of caches and states must close them
	// first.
	Close() error
}

// Scores says how attention turns products of queries and keys into scores, before the softmax:
// s = Scale q k, and then Cap tanh(s / Cap) where Cap is not 0. A Scale of 0 is headDim^-0.5.
type Scores struct{ Scale, Cap float32 }

// ScaleOf is Scale for heads of a width.
func (s Scores) ScaleOf(headDim int) float32 {
	if s.Scale == 0 {
		return float32(1 / math.Sqrt(float64(headDim)))
	}
	return s.Scale
}

// Attended is causal softmax attention over a global cache to which the batch's rows have already
// been appended: the row at position p sees keys 0..p. The operation rotates Q, whose content is
// undefined afterwards. Dst may be Q.
type Attended struct {
	// Dst and Q are [rows, Heads x head dim]; the caches' heads divide Heads.
	Dst, Q Mat
	Heads  int
	// KV[i] belongs to the batch's span i.
	KV   []KV
	Rope RopeTable
	Scores
}

// Windowed is sliding-window attention: the row at position p sees positions p-window+1..p. Their
// keys and values come from the caches and from the rows of K and V, which are not in the caches
// yet. The operation rotates Q and K; afterwards the caches hold the last window positions. Dst may
// be Q; Q and K are undefined afterwards.
type Windowed struct {
	// Dst and Q are [rows, Heads x head dim], K and V [rows, kv heads x head dim]. Heads is a
	// multiple of the number of kv heads.
	Dst, Q, K, V Mat
	Heads        int
	// KV[i] belongs to span i of the batch; all have the same window.
	KV   []KV
	Rope RopeTable
	Scores
}

// Retained is gated retention. With q and k rotated, k scaled by headDim^-0.5 and
// log gamma = logsigmoid(Decay)/GateNormalizer:
//
//	S = gamma S + k vᵀ;  o = Sᵀ q;  dst = silu(Gate) * o / sqrt(mean(o² over the head) + Eps)
//
// State[i] is the state before span i, and is updated to the state after it. Dst may be Q; Q and K
// are undefined afterwards.
type Retained struct {
	// Dst, Q, K, V and Gate are [rows, Heads x head dim], Decay is [rows, Heads].
	Dst, Q, K, V, Gate, Decay Mat
	Heads                     int
	State                     []State
	Rope                      RopeTable
	Eps                       float32
}

// Batch maps the rows of a pass to sequences.
type Batch struct {
	Spans []Span
	// Rows is the sum of the spans' lengths.
	Rows int
}

// Span is a run of rows: rows Row..Row+Len-1 hold positions Pos..Pos+Len-1 of one sequence. Len is
// at least 1.
type Span struct{ Row, Len, Pos int }

// BufferKind is the purpose of a buffer, by which a device chooses its number type. A Mat is Inner
// unless documented otherwise.
type BufferKind int

// The kinds of buffers.
const (
	// Inner is for activations inside a block, at the precision in which the device computes.
	Inner BufferKind = iota
	// Residual is for the residual stream.
	Residual
	// Logits is for scores of the vocabulary: float32.
	Logits
)

// Buffer is an activation buffer in the device's memory. Close waits for the operations enqueued
// before it.
type Buffer interface {
	Rows() int
	Cols() int
	Close()
}

// Mat is columns Col..Col+Cols-1 of a Buffer.
type Mat struct {
	Buf       Buffer
	Col, Cols int
}

// All returns all columns of a Buffer.
func All(b Buffer) Mat { return Mat{b, 0, b.Cols()} }

// Weight is a matrix or vector laid out in the device's memory.
type Weight interface {
	// Out and In are the dimensions; a vector has In 1.
	Out() int
	In() int
}

// KV is the cache of keys and values of one sequence and one layer (or of several layers that share
// it).
type KV interface {
	// Fork copies the first n positions (those that a window still holds) into a new cache of the
	// same capacity.
	Fork(n int) (KV, error)
	// Read returns the keys and values [n, heads, headDim] of positions from..from+n-1 as float32.
	// The cache must hold them.
	Read(from, n int) (k, v []float32, err error)
	Close()
}

// State is the retention state of one layer of one sequence.
type State interface {
	Fork() (State, error)
	// Reset sets the state to zero.
	Reset()
	// Read returns the state, [heads, headDim (key), headDim (value)].
	Read() ([]float32, error)
	Close()
}

// Rope describes the rotary positions of heads of one width.
type Rope struct {
	HeadDim int
	Rotary
}

// RopeTable is a Rope prepared by a device.
type RopeTable interface{ Spec() Rope }
