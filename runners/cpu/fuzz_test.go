package cpu

import (
	"testing"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
)

// FuzzAttention compares attention with the float64 reference of TestAttention, for arbitrary
// shapes, windows and lengths, on any tier and cache type. Shapes are small, so that many can be
// tried; TestAttention has large ones.
func FuzzAttention(f *testing.F) {
	for tier := range uint8(10) {
		f.Add(uint8(2), uint8(1), uint8(7), uint8(0), uint8(40), uint8(1), uint8(3), false, tier)
		f.Add(uint8(1), uint8(3), uint8(20), uint8(9), uint8(130), uint8(30), uint8(64), true, tier)
	}
	f.Fuzz(func(t *testing.T, kvHeads, group, half, window uint8, first, second, third uint8, yoco bool, tier uint8) {
		c := attentionCase{kvHeads: int(kvHeads)%3 + 1, hd: 2 * (int(half)%20 + 2), window: int(window)}
		c.heads = c.kvHeads * (int(group)%4 + 1)
		if c.window > 0 {
			c.heads = c.kvHeads
		}
		c.spec = runners.Rope{Rotary: runners.Rotary{Theta: 1e4, EndPoint: yoco, Interleaved: yoco}}
		c.passes = [][2]int{{int(first)%140 + 1, int(second) % 40}, {1, 1}, {int(third)%70 + 1, 1}, {1, 2}}
		testAttention(t, runners.Options{Tier: availableTier(tier / 2), KV: []runners.DType{runners.F32, runners.BF16}[tier%2], Threads: 2}, c)
	})
}

// FuzzRetain does the same for retention: chunk boundaries, decays and widths.
func FuzzRetain(f *testing.F) {
	for tier := range uint8(5) {
		f.Add(uint8(1), uint8(7), uint8(40), uint8(1), int16(3), tier)
		f.Add(uint8(2), uint8(13), uint8(129), uint8(64), int16(-700), tier)
	}
	f.Fuzz(func(t *testing.T, heads, half, first, second uint8, gate int16, tier uint8) {
		c := retainCase{int(heads)%2 + 1, 2 * (int(half)%16 + 2), float64(gate) / 10,
			[][2]int{{int(first)%140 + 1, int(second) % 70}, {1, 1}, {int(second)%40 + 1, int(first) % 40}}}
		testRetain(t, runners.Options{Tier: availableTier(tier), Threads: 2}, c)
	})
}

// availableTier returns one of the tiers that this machine supports.
func availableTier(i uint8) string {
	var names []string
	for _, k := range cpu.Tiers() {
		if k.Available() {
			names = append(names, k.Name)
		}
	}
	return names[int(i)%len(names)]
}
