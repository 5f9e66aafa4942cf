package families

import (
	"math"

	"github.com/yocobench/yocobench/runners"
)

// Kind is the kind of a layer's cache.
type Kind string

// The kinds of caches. A layer may have several: DeepSeek-V3.2's layers have a latent and an
// indexer.
const (
	// Global is keys and values of the whole context.
	Global Kind = "global"
	// Window is keys and values of the last tokens: sliding windows and chunked attention.
	Window Kind = "window"
	// Latent is one compressed vector per token, shared by all heads (MLA, arXiv 2405.04434).
	Latent Kind = "latent"
	// Indexer is the keys by which sparse attention selects tokens (DeepSeek-V3.2).
	Indexer Kind = "indexer"
	// State is a recurrent state of fixed size: retention, delta rule, state space.
	State Kind = "state"
	// Convolution is the last inputs of a short causal convolution.
	Convolution Kind = "convolution"
	// Shared is another layer's cache; nothing is stored.
	Shared Kind = "shared"
)

// Kinds lists the kinds in display order.
func Kinds() []Kind { return []Kind{Global, Window, Latent, Indexer, State, Convolution, Shared} }

// Cache is what a layer stores of a sequence's tokens, or another layer's cache that it reads.
type Cache struct {
	Kind Kind
	// PerToken is the number of values stored per token, in the cache's number type; 0 for State,
	// Convolution and Shared.
	PerToken int64
	// Window is the number of tokens stored; 0 means all.
	Window int64
	// Fixed is the number of float32 values stored regardless of the sequence's length.
	Fixed int64

	// PairFLOPs is the work of one query with one key, over all heads: the products for score and
	// value, 2 per multiply-add. DecodePairFLOPs replaces it in decoding if not 0 (latent caches
	// are used without expansion). A State or Convolution has TokenFLOPs per token instead.
	PairFLOPs, DecodePairFLOPs, TokenFLOPs int64
	// Reads is the number of values read per cached token to decode one token. It equals PerToken
	// except in Shared layers.
	Reads int64
	// Select limits the keys that a query attends to, if an indexer selects them; 0 means all.
	Select int64
}

// Layer is one layer of a model.
type Layer struct {
	Caches  []Cache
	Weights Weights
}

// Weights counts weight values by how they are stored and used.
type Weights struct {
	// Linear counts the matrices of projections and dense feed-forward blocks, Expert those of
	// routed experts, Other everything that is never quantized: norms, biases, routers,
	// convolutions, scales.
	Linear, Expert, Other int64
	// ActiveExpert is the part of Expert used by one token.
	ActiveExpert int64
	// Products is the number of multiply-adds of one token with these weights.
	Products int64
	// LinearTiles and ExpertTiles count the 128 x 128 tiles of the matrices; block-quantized
	// weights have one scale per tile.
	LinearTiles, ExpertTiles int64
}

func (w Weights) add(o Weights) Weights {
	return Weights{
		w.Linear + o.Linear, w.Expert + o.Expert, w.Other + o.Other, w.ActiveExpert + o.ActiveExpert, w.Products + o.Products,
		w.LinearTiles + o.LinearTiles, w.ExpertTiles + o.ExpertTiles,
	}
}

// Model is the description of a model, read from its config.
type Model struct {
	// Name is the config's name field or its folder's name, Family the model_type whose reader was
	// used.
	Name, Family string
	Dim, Vocab   int64
	// Context is the longest context declared by the config, or 0.
	Context int64
	Layers  []Layer
	// PrefillLayers is the number of layers that a prefill must compute: all of them, unless the
	// last layers store nothing of the context.
	PrefillLayers int
	// Tied reports whether the output matrix is the embedding. Embedding counts the values of all
	// token embeddings.
	Tied      bool
	Embedding int64
	// Head is the number of values of the output matrix, which is stored separately unless Tied.
	Head int64
	// Rest is the weights outside the layers: the final norm, projections around the layers.
	Rest Weights
	// Stored describes how the weights are stored.
	Stored Storage
	// WeightBytes is the actual size of the weights in bytes if the file has it (GGUF), else 0.
	WeightBytes int64
	// Notes are remarks that should be shown with the numbers.
	Notes []string
	// Config is the model as a runner runs it, nil if none does; NotRun then says why.
	Config *runners.Config `json:"-"`
	NotRun string          `json:"-"`
	// Multimodal: the config is of a model with encoders of images or audio, of which this is the
	// text model.
	Multimodal bool `json:"-"`
}

// Storage describes how weights are stored: bytes per value of each class.
type Storage struct {
	// Name is the config's term, such as "bfloat16" or "fp8".
	Name                  string
	Linear, Expert, Other float64
	// LinearTile and ExpertTile are the bytes of the scale of each 128 x 128 tile; 0 without
	// scales.
	LinearTile, ExpertTile float64
}

// layerSum returns the sum of the layers' weights.
func (m Model) layerSum() (w Weights) {
	for _, l := range m.Layers {
		w = w.add(l.Weights)
	}
	return w.add(m.Rest)
}

// Parameters returns the number of weights, and the number used by one token: all except experts
// that the token is not routed to and other tokens' rows of the embedding.
func (m Model) Parameters() (total, active int64) {
	w := m.layerSum()
	total = w.Linear + w.Expert + w.Other + m.Embedding
	active = w.Linear + w.ActiveExpert + w.Other + m.Head
	if !m.Tied {
		total += m.Head
	}
	return total, active
}

// Bytes returns the size of the stored weights in bytes.
func (m Model) Bytes() int64 {
	if m.WeightBytes > 0 {
		return m.WeightBytes
	}
	w, s := m.layerSum(), m.Stored
	embedding := m.Embedding
	if !m.Tied {
		embedding += m.Head
	}
	return int64(math.Round(float64(w.Linear)*s.Linear + float64(w.Expert)*s.Expert + float64(w.Other+embedding)*s.Other +
		float64(w.LinearTiles)*s.LinearTile + float64(w.ExpertTiles)*s.ExpertTile))
}
