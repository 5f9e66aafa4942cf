//go:build cuda

package cudasim

import (
	"strings"
	"testing"
)

// TestFindings plants each fault in a kernel that has no findings without it. FAULT marks the line
// to replace.
func TestFindings(t *testing.T) {
	const tid = "mov.u32 %r0, %tid.x; mov.u32 %r1, smem; mad.lo.s32 %r2, %r0, 4, %r1; mad.wide.u32 %rd0, %r0, 4, %p0;\n"
	cases := []struct {
		name, kind     string
		result         Result
		body           string // FAULT is replaced by fault or good
		fault, good    string
		threads, grid  int
		shared, global int // bytes; global is allocated and written to its half, parameter 0
		target         string
	}{
		{name: "read after an allocation", kind: "out-of-bounds", result: illegalAddress, body: tid + "FAULT", fault: "ld.global.b32 %r9, [%rd0+4];", good: "ld.global.b32 %r9, [%rd0];", threads: 32, global: 256},
		{name: "write before an allocation", kind: "out-of-bounds", result: illegalAddress, body: tid + "FAULT", fault: "st.global.b32 [%rd0+-4], %r0;", good: "st.global.b32 [%rd0], %r0;", global: 128},
		{name: "read at null", kind: "out-of-bounds", result: illegalAddress, body: "FAULT ld.global.b32 %r9, [%rd1];", fault: "mov.b64 %rd1, 0;", good: "mov.b64 %rd1, %p0;", global: 128},
		{name: "cp.async from after an allocation", kind: "out-of-bounds", result: illegalAddress, body: tid + "mad.lo.s32 %r3, %r0, 16, %r1; mad.wide.u32 %rd1, %r0, 16, %p0; FAULT cp.async.commit_group; cp.async.wait_group 0;",
			fault: "cp.async.cg.shared.global [%r3], [%rd1+16], 16;", good: "cp.async.cg.shared.global [%r3], [%rd1], 16;", global: 512, shared: 1024},
		{name: "vector at a bad alignment", kind: "misaligned", result: misalignedAddress, body: "FAULT", fault: "ld.global.v4.b32 {%r1, %r2, %r3, %r4}, [%p0+8];", good: "ld.global.v4.b32 {%r1, %r2, %r3, %r4}, [%p0+16];", global: 256},
		{name: "shared vector at a bad alignment", kind: "misaligned", result: misalignedAddress, body: "mov.u32 %r1, smem; FAULT", fault: "st.shared.v2.b32 [%r1+4], {%r1, %r1};", good: "st.shared.v2.b32 [%r1+8], {%r1, %r1};", shared: 64},
		{name: "unwritten device memory", kind: "uninitialised", result: illegalAddress, body: tid + "FAULT", fault: "ld.global.b32 %r9, [%rd0+128];", good: "ld.global.b32 %r9, [%rd0];", global: 256},
		{name: "unwritten shared memory", kind: "uninitialised", result: illegalAddress, body: tid + "st.shared.b32 [%r2], %r0; FAULT", fault: "ld.shared.b32 %r9, [%r2+4];", good: "ld.shared.b32 %r9, [%r2];", shared: 256},
		{name: "after the shared memory", kind: "out-of-bounds", result: illegalAddress, body: tid + "FAULT", fault: "st.shared.b32 [%r2+4], %r0;", good: "st.shared.b32 [%r2], %r0;", shared: 128},
		{name: "before the shared memory", kind: "out-of-bounds", result: illegalAddress, body: tid + "FAULT", fault: "st.shared.b32 [%r2+-4], %r0;", good: "st.shared.b32 [%r2], %r0;", shared: 128},
		{name: "read of another warp's write", kind: "shared-race", result: illegalAddress, threads: 64, shared: 256,
			body: tid + "st.shared.b32 [%r2], %r0; FAULT xor.b32 %r3, %r0, 32; mad.lo.s32 %r4, %r3, 4, %r1; setp.ge.u32 %q1, %r0, 32; @%q1 ld.shared.b32 %r9, [%r4];", fault: "", good: "bar.sync 0;"},
		{name: "write over what another warp reads", kind: "shared-race", result: illegalAddress, threads: 64, shared: 256,
			body: tid + "xor.b32 %r3, %r0, 32; mad.lo.s32 %r4, %r3, 4, %r1; st.shared.b32 [%r2], %r0; bar.sync 0; ld.shared.b32 %r9, [%r4]; FAULT st.shared.b32 [%r2], %r3;", fault: "", good: "bar.sync 0;"},
		{name: "two warps write different values", kind: "shared-race", result: illegalAddress, threads: 64, shared: 256,
			body: tid + "and.b32 %r3, %r0, 31; mad.lo.s32 %r4, %r3, 4, %r1; FAULT", fault: "st.shared.b32 [%r4], %r0;", good: "st.shared.b32 [%r4], %r3;"},
		{name: "read of a part of what two warps wrote", kind: "shared-race", result: illegalAddress, threads: 96, shared: 256,
			body: tid + "and.b32 %r3, %r0, 31; mad.lo.s32 %r4, %r3, 4, %r1; setp.lt.u32 %q1, %r0, 64; @%q1 st.shared.b32 [%r4], %r3; FAULT", fault: "ld.shared.b32 %r9, [%r4];", good: "@%q1 ld.shared.b32 %r9, [%r4];"},
		{name: "cp.async read before wait_group", kind: "async-race", result: illegalAddress, shared: 128, global: 256,
			body: tid + "cp.async.ca.shared.global [%r2], [%rd0], 4; cp.async.commit_group; FAULT ld.shared.b32 %r9, [%r2];", fault: "", good: "cp.async.wait_group 0;"},
		{name: "cp.async read one group too early", kind: "async-race", result: illegalAddress, shared: 256, global: 256,
			body:  tid + "cp.async.ca.shared.global [%r2], [%rd0], 4; cp.async.commit_group; cp.async.ca.shared.global [%r2+128], [%rd0], 4; cp.async.commit_group; FAULT ld.shared.b32 %r9, [%r2+128];",
			fault: "cp.async.wait_group 1;", good: "cp.async.wait_group 0;"},
		{name: "cp.async of another warp without a barrier", kind: "shared-race", result: illegalAddress, threads: 64, shared: 256, global: 512,
			body: tid + "xor.b32 %r3, %r0, 32; mad.lo.s32 %r4, %r3, 4, %r1; cp.async.ca.shared.global [%r2], [%rd0], 4; cp.async.wait_all; FAULT setp.ge.u32 %q1, %r0, 32; @%q1 ld.shared.b32 %r9, [%r4];", fault: "", good: "bar.sync 0;"},
		{name: "two blocks write one place", kind: "global-race", result: illegalAddress, grid: 2, global: 512,
			body: tid + "mov.u32 %r3, %ctaid.x; FAULT mad.wide.u32 %rd1, %r4, 128, %rd0; st.global.b32 [%rd1], %r0;", fault: "mov.b32 %r4, 0;", good: "mov.b32 %r4, %r3;"},
		{name: "a block reads what another writes", kind: "global-race", result: illegalAddress, grid: 2, global: 512,
			body: tid + "mov.u32 %r3, %ctaid.x; mad.wide.u32 %rd1, %r3, 128, %rd0; st.global.b32 [%rd1], %r0; FAULT", fault: "ld.global.b32 %r9, [%rd0];", good: "ld.global.b32 %r9, [%rd1];"},
		{name: "a block writes what another has read", kind: "global-race", result: illegalAddress, grid: 3, global: 512,
			body: tid + "mov.u32 %r3, %ctaid.x; ld.global.b32 %r9, [%rd0]; setp.eq.u32 %q1, %r3, 2; FAULT", fault: "@%q1 st.global.b32 [%rd0], %r0;", good: "@%q1 st.global.b32 [%rd0+256], %r0;"},
		{name: "two threads write one place", kind: "global-race", result: illegalAddress, global: 256,
			body: tid + "FAULT", fault: "st.global.b32 [%p0], %r0;", good: "st.global.b32 [%rd0], %r0;"},
		{name: "a thread reads what another wrote", kind: "global-race", result: illegalAddress, threads: 64, global: 512,
			body: tid + "st.global.b32 [%rd0], %r0; FAULT xor.b32 %r3, %r0, 32; mad.wide.u32 %rd1, %r3, 4, %p0; ld.global.b32 %r9, [%rd1];", fault: "", good: "bar.sync 0;"},
		{name: "shuffle without all lanes", kind: "divergence", result: illegalInstruction, body: tid + "setp.lt.u32 %q1, %r0, 16; FAULT", fault: "@%q1 shfl.sync.bfly.b32 %r9, %r0, 1, 31, -1;", good: "@%q1 shfl.sync.bfly.b32 %r9, %r0, 1, 31, 65535;"},
		{name: "barrier of a part of a warp", kind: "divergence", result: illegalInstruction, body: tid + "setp.lt.u32 %q1, %r0, 16; FAULT", fault: "@%q1 bar.sync 0;", good: "bar.sync 0;"},
		{name: "ldmatrix of a part of a warp", kind: "divergence", result: illegalInstruction, shared: 512, body: tid + "st.shared.b32 [%r2], %r0; setp.lt.u32 %q1, %r0, 16; FAULT", fault: "@%q1 ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r9}, [%r1];", good: "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r9}, [%r1];"},
	}
	// %r10 to %r13 are the registers of A.
	wg := wgmmaCase{n: 8, a: operand{swizzle: 128}, b: operand{swizzle: 128}, registers: true}
	body := wg.body()
	const wait, fence, proxy = "wgmma.wait_group.sync.aligned 0;", "wgmma.fence.sync.aligned;", "fence.proxy.async.shared::cta;"
	again := body[strings.Index(body, "wgmma.mma_async"):strings.Index(body, "wgmma.commit_group")] // the same wgmma
	other := strings.NewReplacer("%acc0,%acc1,%acc2,%acc3", "%r20,%r21,%r22,%r23", "%r10, %r11", "%r14, %r15", "%r12, %r13", "%r16, %r17").Replace(again)
	for _, c := range []struct{ name, kind, at, fault, good string }{
		{"wgmma of what was written without a proxy fence", "proxy-fence", proxy, "", proxy},
		{"operand overwritten before wait_group", "async-race", wait, "st.shared.b32 [%r1+8192], %r0;" + wait, wait},
		{"accumulator read before wait_group", "wgmma-register", wait, "mov.b32 %r20, %acc0;" + wait, wait + "mov.b32 %r20, %acc0;"},
		{"accumulator written before wait_group", "wgmma-register", wait, "mov.b32 %acc3, %r0;" + wait, wait + "mov.b32 %acc3, %r0;"},
		{"register of A written before wait_group", "wgmma-register", wait, "mov.b32 %r13, %r0;" + wait, wait + "mov.b32 %r13, %r0;"},
		{"register of A loaded before wait_group", "wgmma-register", wait, "ld.global.v2.b32 {%r20, %r12}, [%p0];" + wait, wait + "ld.global.v2.b32 {%r20, %r12}, [%p0];"},
		{"accumulator of a running wgmma as A", "wgmma-register", wait, fence + strings.Replace(other, "%r15", "%acc0", 1) + wait, fence + again + other + wait},
		{"register of A of a running wgmma as accumulator", "wgmma-register", wait, fence + strings.Replace(other, "%r22", "%r12", 1) + wait, wait + fence + strings.Replace(other, "%r22", "%r12", 1) + wait},
		{"no fence before the first wgmma", "wgmma-fence", fence, "", fence},
		{"accumulator written after the fence", "wgmma-fence", fence, fence + "mov.b32 %acc0, %r0;", "mov.b32 %acc0, %r0;" + fence},
		{"register of A written after the fence", "wgmma-fence", fence, fence + "mov.b32 %r10, %r0;", "mov.b32 %r10, %r0;" + fence},
		{"accumulator read after the fence", "wgmma-fence", fence, fence + "mov.b32 %r20, %acc0;", "mov.b32 %r20, %acc0;" + fence},
		{"accumulators of a finished wgmma as A without a fence", "wgmma-fence", wait, wait + strings.Replace(other, "%r15", "%acc0", 1), wait + fence + strings.Replace(other, "%r15", "%acc0", 1)},
	} {
		if strings.Count(body, c.at) != 1 {
			t.Fatalf("%s: no place for the fault", c.name)
		}
		good := c.good
		if c.kind == "wgmma-register" || c.kind == "wgmma-fence" { // the added instructions are a separate group
			for _, text := range []*string{&good, &c.fault} {
				if strings.Contains(*text, "mma_async") {
					*text += "wgmma.commit_group.sync.aligned;" + wait
				}
			}
		}
		cases = append(cases, struct {
			name, kind     string
			result         Result
			body           string
			fault, good    string
			threads, grid  int
			shared, global int
			target         string
		}{name: c.name, kind: c.kind, result: illegalAddress, body: strings.Replace(body, c.at, "FAULT", 1), fault: c.fault, good: good, threads: 128, shared: 40 << 10, global: 64 << 10, target: "sm_90a"})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, bad := range []bool{false, true} {
				s := use(t)
				var p uint64
				if c.global > 0 {
					var err error
					if p, err = s.Alloc(c.global); err != nil {
						t.Fatal(err)
					}
					n := c.global
					if c.kind == "uninitialised" {
						n /= 2
					}
					if err := s.Write(p, make([]byte, n)); err != nil {
						t.Fatal(err)
					}
				}
				line := c.good
				if bad {
					line = c.fault
				}
				threads, target := max(c.threads, 32), c.target
				if target == "" {
					target = "sm_80"
				}
				if c.name == "read after an allocation" {
					threads = 64
				}
				err := launch(t, s, kernel(target, threads, 1, strings.Replace(c.body, "FAULT", line, 1)), max(c.grid, 1), threads, c.shared, p)
				f := s.Findings()
				switch {
				case !bad && (err != nil || len(f) != 0):
					t.Errorf("without the fault: %v %v", err, f)
				case bad && (!is(err, c.result) || len(f) != 1 || !strings.HasPrefix(f[0], c.kind+": k block")):
					t.Fatalf("with the fault: %v %q, want CUresult %d and one finding %s", err, f, c.result, c.kind)
				}
				if bad {
					if _, err := s.Alloc(4); !is(err, c.result) {
						t.Errorf("a call after the fault returns %v", err)
					}
					if !strings.Contains(f[0], "PTX line ") {
						t.Errorf("no line in %q", f[0])
					}
				}
			}
		})
	}
}

// With the checker off, bounds and alignment are still checked.
func TestCheckerOff(t *testing.T) {
	s := use(t)
	s.Set("check", 0)
	p, err := s.Alloc(128)
	if err != nil {
		t.Fatal(err)
	}
	if err := launch(t, s, kernel("sm_80", 32, 1, "ld.global.b32 %r1, [%p0];"), 1, 32, 0, p); err != nil {
		t.Errorf("unwritten memory with the checker off: %v", err)
	}
	if err := launch(t, s, kernel("sm_80", 32, 1, "ld.global.b32 %r1, [%p0+128];"), 1, 32, 0, p); !is(err, illegalAddress) {
		t.Errorf("after the allocation with the checker off: %v", err)
	}
}

func TestPoison(t *testing.T) {
	s := use(t)
	p := upload(t, s, make([]byte, 256))
	ptx := kernel("sm_80", 32, 1, "ld.global.b32 %r1, [%p0+128];")
	if err := launch(t, s, ptx, 1, 32, 0, p); err != nil {
		t.Fatal(err)
	}
	// Poisoning is enqueued: a kernel enqueued before it still reads the old content.
	f := function(t, s, ptx)
	one, warp := [3]uint32{1, 1, 1}, [3]uint32{32, 1, 1}
	if err := s.Launch(f, one, warp, 0, nil, p); err != nil {
		t.Fatal(err)
	}
	if !s.Poison(p+128, 128) || s.Poison(p+128, 256) {
		t.Error("poison")
	}
	if err := s.Sync(); err != nil || len(s.Findings()) != 0 {
		t.Errorf("a kernel before it: %v %v", err, s.Findings())
	}
	if err := launch(t, s, ptx, 1, 32, 0, p); !is(err, illegalAddress) || !strings.HasPrefix(s.Findings()[0], "uninitialised") {
		t.Errorf("a kernel after it: %v %v", err, s.Findings())
	}
}

func TestUnending(t *testing.T) {
	s := use(t)
	s.Set("limit", 1<<20)
	defer s.Set("limit", 1<<36)
	if err := launch(t, s, kernel("sm_80", 32, 0, "L: bra L;"), 1, 32, 0); !is(err, launchTimeout) || len(s.Findings()) != 1 || !strings.HasPrefix(s.Findings()[0], "unending") {
		t.Errorf("%v %v", err, s.Findings())
	}
}

// Execution that reaches the end of the body without ret.
func TestPastTheEnd(t *testing.T) {
	s := use(t)
	ptx := strings.Replace(kernel("sm_80", 32, 0, ""), "\nret;", "", 1)
	if err := launch(t, s, ptx, 1, 32, 0); !is(err, illegalInstruction) || len(s.Findings()) != 1 || !strings.HasPrefix(s.Findings()[0], "illegal") {
		t.Errorf("%v %v", err, s.Findings())
	}
}
