package families

import "math"

// Kind is the kind of what a layer keeps of the context.
type Kind string

// The kinds of caches. A layer may have several: DeepSeek-V3.2's have a latent and an indexer.
const (
	// Global keeps the keys and values of the whole context.
	Global Kind = "global"
	// Window keeps those of the last tokens only: sliding windows and chunked attention.
	Window Kind = "window"
	// Latent keeps one compressed vector a token for all heads (MLA, arXiv 2405.04434).
	Latent Kind = "latent"
	// Indexer keeps the keys by which sparse attention chooses tokens (DeepSeek-V3.2).
	Indexer Kind = "indexer"
	// State is a recurrent state of fixed size: retention, delta rule, state space.
	State Kind = "state"
	// Convolution keeps the last inputs of a short causal convolution.
	Convolution Kind = "convolution"
	// Shared reads what another layer keeps, and keeps nothing itself.
	Shared Kind = "shared"
)

// Kinds lists the kinds in the order in which they are shown.
func Kinds() []Kind { return []Kind{Global, Window, Latent, Indexer, State, Convolution, Shared} }

// Cache is one thing that a layer keeps of a sequence's tokens, or reads of another layer's.
type Cache struct {
	Kind Kind
	// PerToken is the number of values that a token adds, of the cache's number type; 0 in State,
	// Convolution and Shared.
	PerToken int64
	// Window is the number of tokens kept; 0 is all.
	Window int64
	// Fixed is the number of float32 values kept whatever the length of the sequence.
	Fixed int64

	// PairFLOPs is the work of one query with one key: the products of score and value, 2 a
	// multiply-add, all heads; DecodePairFLOPs that of decoding where it differs (a latent cache is
	// read as it is), else 0. A state or convolution has TokenFLOPs instead, once a token.
	PairFLOPs, DecodePairFLOPs, TokenFLOPs int64
	// Reads is the number of values read for each cached token when a token is decoded; PerToken
	// but in Shared layers.
	Reads int64
	// Select bounds the keys that a query attends to where an indexer chooses them; 0: all.
	Select int64
}

// Layer is one layer of a model.
type Layer struct {
	Caches  []Cache
	Weights Weights
}

// Weights counts values by what decides how they are stored and used.
type Weights struct {
	// Linear are the matrices of projections and dense feed-forward blocks, Expert those of routed
	// experts, Other all that is never quantised: norms, biases, routers, convolutions, scales.
	Linear, Expert, Other int64
	// ActiveExpert is the part of Expert that one token is routed to.
	ActiveExpert int64
	// Products is the number of multiply-adds of one token with these weights.
	Products int64
	// LinearTiles and ExpertTiles count the 128 x 128 tiles of the matrices: block-quantised
	// weights have a scale each.
	LinearTiles, ExpertTiles int64
}

func (w Weights) add(o Weights) Weights {
	return Weights{
		w.Linear + o.Linear, w.Expert + o.Expert, w.Other + o.Other, w.ActiveExpert + o.ActiveExpert, w.Products + o.Products,
		w.LinearTiles + o.LinearTiles, w.ExpertTiles + o.ExpertTiles,
	}
}

// Model is what a config says of a model.
type Model struct {
	// Name is the config's own or its folder's; Family the model_type that decided how it was read.
	Name, Family string
	Dim, Vocab   int64
	// Context is the longest context that the config states; 0 where it states none.
	Context int64
	Layers  []Layer
	// PrefillLayers is the number of layers that a prefill must compute: all, but in models whose
	// last layers keep nothing of the context.
	PrefillLayers int
	// Tied: the output matrix is the embedding's. Embedding counts all values of embeddings of
	// tokens.
	Tied      bool
	Embedding int64
	// Head is the number of values of the output matrix; it is stored apart unless Tied.
	Head int64
	// Rest are the weights outside layers: final norm, projections around the layers.
	Rest Weights
	// Stored says how the weights are stored.
	Stored Storage
	// WeightBytes is the real size of the weights in bytes where the file says it (GGUF); else 0.
	WeightBytes int64
	// Notes are remarks that a reader needs beside the numbers.
	Notes []string
}

// Storage is the way weights are stored: bytes for each value of a class.
type Storage struct {
	// Name is the config's word, such as "bfloat16" or "fp8".
	Name                  string
	Linear, Expert, Other float64
	// Tile is the number of bytes of each 128 x 128 tile's scale; 0 without scales.
	LinearTile, ExpertTile float64
}

// layerSum is the sum of the weights of layers.
func (m Model) layerSum() (w Weights) {
	for _, l := range m.Layers {
		w = w.add(l.Weights)
	}
	return w.add(m.Rest)
}

// Parameters is the number of weights, and of those the number that one token is computed with: all
// but experts that it is not routed to and rows of the embedding that are not its own.
func (m Model) Parameters() (total, active int64) {
	w := m.layerSum()
	total = w.Linear + w.Expert + w.Other + m.Embedding
	active = w.Linear + w.ActiveExpert + w.Other + m.Head
	if !m.Tied {
		total += m.Head
	}
	return total, active
}

// Bytes is the size of the stored weights.
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
