// Package rng generates the random numbers of texts and tasks. They are the same on every platform
// and with every Go version.
package rng

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Rand is a stream of random numbers. It reads ChaCha8, whose output is specified byte by byte, and
// converts it to numbers by the arithmetic in this package, so that draws are the same on every
// platform and with every Go version.
type Rand struct {
	src *rand.ChaCha8
}

// New returns the generator of a named stream. It hashes the stream's name and the seed with
// SHA-256, so different streams share no state for any seeds: training ("train") and evaluation
// ("test") texts cannot coincide.
func New(stream string, seed uint64) *Rand {
	h := sha256.New()
	h.Write([]byte("yocobench corpus\x00"))
	h.Write([]byte(stream))
	h.Write([]byte{0})
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], seed)
	h.Write(b[:])
	return &Rand{src: rand.NewChaCha8([32]byte(h.Sum(nil)))}
}

// Uint64 returns 64 random bits.
func (r *Rand) Uint64() uint64 { return r.src.Uint64() }

// IntN returns a number in [0, n). It panics if n < 1.
func (r *Rand) IntN(n int) int {
	if n < 1 {
		panic("rng: IntN of less than 1")
	}
	// The high half of a 32 x 32 bit product. The bias is below n / 2^32, which is negligible for
	// small n.
	if n <= 1<<20 {
		return int((r.src.Uint64() >> 32) * uint64(n) >> 32)
	}
	return int(r.src.Uint64() % uint64(n))
}

// Chance returns true with a probability of percent in 100.
func (r *Rand) Chance(percent int) bool { return r.IntN(100) < percent }

// Range returns a number in [lo, hi].
func (r *Rand) Range(lo, hi int) int { return lo + r.IntN(hi-lo+1) }

// LogRange returns a number in [lo, hi] whose logarithm is approximately uniform: it draws an
// octave, then a number in it. lo must be at least 1. It uses only integer arithmetic, so that all
// platforms agree.
func (r *Rand) LogRange(lo, hi int) int {
	if hi <= lo {
		return lo
	}
	octaves := 0
	for lo<<octaves <= hi/2 {
		octaves++
	}
	// Octaves are counted in 16ths, so that a partial last octave is not favoured.
	whole := octaves * 16
	last := lo << octaves
	part := 16 * (hi - last) / last
	k := r.IntN(whole + part + 1)
	base := lo << (k / 16)
	step := base / 16
	v := base + (k%16)*step + r.IntN(step+1)
	return min(v, hi)
}

// Float64 returns a number in [0, 1), a multiple of 2^-53.
func (r *Rand) Float64() float64 { return float64(r.Uint64()>>11) / (1 << 53) }

// Perm returns the numbers 0 to n-1 in random order.
func (r *Rand) Perm(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	r.Shuffle(n, func(a, b int) { out[a], out[b] = out[b], out[a] })
	return out
}

// UUID returns a random UUID (version 4) in lower case.
func (r *Rand) UUID() string {
	a, b := r.src.Uint64(), r.src.Uint64()
	a = a&^0xf000 | 0x4000 // version 4
	b = b&^(3<<62) | 2<<62 // the variant of RFC 4122
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&(1<<48-1))
}

// Shuffle permutes n elements by the Fisher-Yates shuffle.
func (r *Rand) Shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		swap(i, r.IntN(i+1))
	}
}

// Pick returns a random element of list, which must not be empty.
func Pick[T any](r *Rand, list []T) T { return list[r.IntN(len(list))] }
