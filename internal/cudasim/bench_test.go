//go:build cuda

package cudasim

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkInstructions measures one warp on one host thread, in a loop of 32 copies of one
// instruction.
func BenchmarkInstructions(b *testing.B) {
	const setup = "mov.u32 %r0, %tid.x; mov.u32 %r1, smem; mad.lo.s32 %r2, %r0, 16, %r1; mad.wide.u32 %rd0, %r0, 16, %p0; st.shared.v4.b32 [%r2], {%r0, %r0, %r0, %r0}; mov.b32 %r10, 0; mov.b32 %f0, 0; mov.b32 %f1, 0; mov.b32 %f2, 0; mov.b32 %f3, 0;\n"
	for _, c := range []struct{ name, op string }{
		{"fma", "fma.rn.f32 %f0, %f1, %f2, %f0;"},
		{"add64", "add.s64 %rd1, %rd0, %rd0;"},
		{"setp", "setp.lt.s32 %q2, %r0, %r1;"},
		{"ex2", "ex2.approx.ftz.f32 %f0, %f1;"},
		{"ld.global.v4", "ld.global.v4.b32 {%r3, %r4, %r5, %r6}, [%rd0];"},
		{"ld.shared.v4", "ld.shared.v4.b32 {%r3, %r4, %r5, %r6}, [%r2];"},
		{"st.shared.v4", "st.shared.v4.b32 [%r2], {%r3, %r4, %r5, %r6};"},
		{"ldmatrix.x4", "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r3, %r4, %r5, %r6}, [%r2];"},
		{"cp.async.16", "cp.async.cg.shared.global [%r2+512], [%rd0], 16; cp.async.wait_all;"},
		{"mma.bf16", "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f0,%f1,%f2,%f3}, {%r3,%r4,%r5,%r6}, {%r3,%r4}, {%f0,%f1,%f2,%f3};"},
	} {
		for _, check := range []int{0, 1} {
			b.Run(fmt.Sprintf("%s/check=%d", c.name, check), func(b *testing.B) {
				s := use(b)
				s.Set("check", check)
				p := upload(b, s, make([]byte, 512))
				n := b.N/32 + 1
				body := setup + "ld.global.v4.b32 {%r3, %r4, %r5, %r6}, [%rd0]; L:" + strings.Repeat(c.op+"\n", 32) + fmt.Sprintf("add.s32 %%r10, %%r10, 1; setp.lt.s32 %%q1, %%r10, %d; @%%q1 bra L;", n)
				b.ResetTimer()
				if err := launch(b, s, kernel("sm_80", 32, 1, body), 1, 32, 1024, p); err != nil {
					b.Fatal(err, s.Findings())
				}
			})
		}
	}
}
