package cpu

import (
	"testing"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
)

// FuzzAttention tries shapes, windows and lengths that nobody thought of, on
// every tier and cache type, against the float64 reference of TestAttention.
func FuzzAttention(f *testing.F) {
	f.Add(uint8(2), uint8(1), uint8(7), uint8(0), uint16(40), uint8(1), uint16(3), false)
	f.Add(uint8(1), uint8(3), uint8(20), uint8(9), uint16(130), uint8(30), uint16(64), true)
	f.Fuzz(func(t *testing.T, kvHeads, group, half, window uint8, first uint16, second uint8, third uint16, yoco bool) {
		c := attentionCase{kvHeads: int(kvHeads)%3 + 1, hd: 2 * (int(half)%40 + 2), window: int(window)}
		c.heads = c.kvHeads * (int(group)%4 + 1)
		if c.window > 0 {
			c.heads = c.kvHeads
		}
		c.spec = runners.Rope{Rotary: runners.Rotary{Theta: 1e4, EndPoint: yoco, Interleaved: yoco}}
		c.passes = [][2]int{{int(first)%300 + 1, int(second)}, {1, 1}, {int(third)%90 + 1, 1}, {1, 2}}
		var keys [2]int
		for _, p := range c.passes {
			keys[0], keys[1] = keys[0]+p[0], keys[1]+p[1]
		}
		if c.heads*c.hd*(keys[0]*keys[0]+keys[1]*keys[1]) > 50e6 {
			t.Skip("large in every way: seconds of float64, and Go takes ten of them for a hang")
		}
		for _, k := range cpu.Tiers() {
			for _, d := range []runners.DType{runners.F32, runners.BF16} {
				if k.Available() {
					testAttention(t, runners.Options{Tier: k.Name, KV: d, Threads: 2}, c)
				}
			}
		}
	})
}

// FuzzRetain does the same for retention: chunk borders, decays and widths.
func FuzzRetain(f *testing.F) {
	f.Add(uint8(1), uint8(7), uint16(40), uint8(1), int16(3))
	f.Add(uint8(2), uint8(33), uint16(129), uint8(64), int16(-700))
	f.Fuzz(func(t *testing.T, heads, half uint8, first uint16, second uint8, gate int16) {
		c := retainCase{int(heads)%3 + 1, 2 * (int(half)%40 + 2), float64(gate) / 10,
			[][2]int{{int(first)%300 + 1, int(second)}, {1, 1}, {int(second) + 1, int(first) % 70}}}
		for _, k := range cpu.Tiers() {
			if k.Available() {
				testRetain(t, runners.Options{Tier: k.Name, Threads: 2}, c)
			}
		}
	})
}
