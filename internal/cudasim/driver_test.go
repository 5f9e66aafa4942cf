//go:build cuda

package cudasim

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// addOne adds 1 to word %tid.x.
const addOne = "mov.u32 %r0, %tid.x; mad.wide.u32 %rd0, %r0, 4, %p0; ld.global.b32 %r1, [%rd0]; add.s32 %r1, %r1, 1; st.global.b32 [%rd0], %r1;"

func function(t *testing.T, s *Sim, ptx string) Function {
	t.Helper()
	m, err := s.Load(ptx)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Function(m, "k")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAllocations(t *testing.T) {
	s := use(t)
	if n := s.Get("live_blocks"); n != 0 {
		t.Fatalf("%d blocks in a new context", n)
	}
	s.Set("fail_alloc", 3)
	var ps []uint64
	for i := range 5 {
		p, err := s.Alloc(1000)
		if (i == 2) != is(err, outOfMemory) || i != 2 && err != nil {
			t.Errorf("allocation %d: %v", i, err)
		}
		if err == nil {
			ps = append(ps, p)
		}
	}
	if s.Get("live_blocks") != 4 || s.Get("live_bytes") != 4000 {
		t.Errorf("%d blocks of %d bytes", s.Get("live_blocks"), s.Get("live_bytes"))
	}
	for _, p := range ps {
		if err := s.Free(p + 4); !is(err, invalidValue) {
			t.Errorf("free of an address inside: %v", err)
		}
		if err := s.Free(p); err != nil {
			t.Error(err)
		}
		if err := s.Free(p); !is(err, invalidValue) {
			t.Errorf("second free: %v", err)
		}
	}
	if s.Get("live_bytes") != 0 {
		t.Errorf("%d bytes after the last free", s.Get("live_bytes"))
	}
	if _, err := s.Alloc(1 << 40); !is(err, outOfMemory) {
		t.Errorf("a TiB: %v", err)
	}
	p, _ := s.Alloc(16)
	if err := s.Write(p, make([]byte, 17)); !is(err, invalidValue) {
		t.Errorf("a copy past the end: %v", err)
	}
}

// Resources that a context still holds when it ends are counted.
func TestLeaked(t *testing.T) {
	s := use(t)
	before := s.Get("leaked")
	if err := s.Renew(); err != nil || s.Get("leaked") != before {
		t.Errorf("an empty context leaves %d: %v", s.Get("leaked")-before, err)
	}
	upload(t, s, make([]byte, 16))
	if _, err := s.Stream(); err != nil {
		t.Fatal(err)
	}
	function(t, s, kernel("sm_80", 64, 1, addOne))
	if err := s.Renew(); err != nil || s.Get("leaked") != before+3 {
		t.Errorf("a block, a stream and a module leave %d: %v", s.Get("leaked")-before, err)
	}
}

func TestLaunchChecks(t *testing.T) {
	s := use(t)
	p := upload(t, s, make([]byte, 4096))
	f := function(t, s, kernel("sm_80", 64, 1, addOne))
	one := [3]uint32{1, 1, 1}
	for _, c := range []struct {
		what        string
		grid, block [3]uint32
		shared      int
		ok          bool
	}{
		{"as declared", one, [3]uint32{64, 1, 1}, 0, true},
		{"another block than .reqntid", one, [3]uint32{32, 1, 1}, 0, false},
		{"no blocks", [3]uint32{0, 1, 1}, [3]uint32{64, 1, 1}, 0, false},
		{"a grid too high", [3]uint32{1, 65536, 1}, [3]uint32{64, 1, 1}, 0, false},
		{"48 KiB shared", one, [3]uint32{64, 1, 1}, 48 << 10, true},
		{"more than 48 KiB shared", one, [3]uint32{64, 1, 1}, 48<<10 + 1, false},
	} {
		err := s.Launch(f, c.grid, c.block, c.shared, nil, p)
		if c.ok && err != nil || !c.ok && !is(err, invalidValue) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	if err := s.AllowShared(f, 227<<10); err != nil {
		t.Error(err)
	}
	if err := s.AllowShared(f, 227<<10+1); !is(err, invalidValue) {
		t.Errorf("more shared memory than the GPU has: %v", err)
	}
	if err := s.Launch(f, one, [3]uint32{64, 1, 1}, 227<<10, nil, p); err != nil {
		t.Error(err)
	}
	if err := s.Sync(); err != nil {
		t.Error(err)
	}
	if _, err := s.Load(strings.Replace(kernel("sm_100a", 32, 0, ""), "sm_100a", "sm_100a", 1)); !is(err, noBinary) {
		t.Errorf("PTX for a later GPU: %v", err)
	}
	if _, err := s.Load("no ptx"); !is(err, invalidPTX) {
		t.Errorf("no PTX: %v", err)
	}
	m, err := s.Load(kernel("sm_80", 32, 0, "frobnicate.b32 %r0, %r1;"))
	if err != nil {
		t.Fatal(err)
	}
	s.Reset()
	if _, err := s.Function(m, "k"); !is(err, invalidPTX) {
		t.Errorf("an unknown opcode: %v", err)
	}
	if f := s.Findings(); len(f) != 1 || !strings.Contains(f[0], "PTX line 9: unknown opcode frobnicate.b32: frobnicate.b32 %r0, %r1") {
		t.Errorf("an unknown opcode is reported as %q", f)
	}
}

// Asynchronous operations have no effect before something waits for them.
func TestAsync(t *testing.T) {
	s := use(t)
	st, err := s.Stream()
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.Pinned(128)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Pinned(128)
	if err != nil {
		t.Fatal(err)
	}
	copy(in, words(lanesOf(func(l int) uint32 { return uint32(l) })))
	p := upload(t, s, make([]byte, 128))
	f := function(t, s, kernel("sm_80", 32, 1, addOne))
	clear(out)
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	step(s.WriteAsync(p, in, st))
	step(s.Launch(f, [3]uint32{1, 1, 1}, [3]uint32{32, 1, 1}, 0, st, p))
	step(s.ReadAsync(out, p, st))
	in[0] = 50 // read by the copy, which has not run yet
	if out[4] != 0 {
		t.Error("a result was there before the stream was waited for")
	}
	step(s.SyncStream(st))
	if out[0] != 51 || out[4] != 2 {
		t.Errorf("got %d and %d", out[0], out[4])
	}
	page := []byte{9, 0, 0, 0} // pageable memory is read during the call
	step(s.WriteAsync(p, page, st))
	page[0] = 1
	step(s.ReadAsync(page, p, st)) // and written before the call returns
	if page[0] != 9 {
		t.Errorf("got %d", page[0])
	}
	step(s.FreePinned(in))
	step(s.FreePinned(out))
	step(s.EndStream(st))
}

func TestGraph(t *testing.T) {
	s := use(t)
	st, err := s.Stream()
	if err != nil {
		t.Fatal(err)
	}
	p := upload(t, s, make([]byte, 128))
	f := function(t, s, kernel("sm_80", 32, 1, addOne))
	launch := func() error { return s.Launch(f, [3]uint32{1, 1, 1}, [3]uint32{32, 1, 1}, 0, st, p) }
	if err := s.BeginCapture(st); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := launch(); err != nil {
			t.Fatal(err)
		}
	}
	g, err := s.EndCapture(st)
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.Instantiate(g)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EndGraph(g); err != nil {
		t.Error(err)
	}
	for range 3 {
		if err := s.LaunchGraph(e, st); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 128)
	if err := s.Read(b, p); err != nil || b[4] != 6 {
		t.Errorf("two launches, three times: %d %v", b[4], err)
	}
	if err := s.EndExec(e); err != nil || s.Get("graph_execs") != 0 || s.Get("graphs") != 0 {
		t.Errorf("%v, %d graphs", err, s.Get("graphs"))
	}
	// an operation that is forbidden during capture breaks it
	if err := s.BeginCapture(st); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Alloc(4); !is(err, captureUnsupported) {
		t.Errorf("an allocation in a capture: %v", err)
	}
	if err := launch(); !is(err, captureInvalidated) {
		t.Errorf("a launch in a broken capture: %v", err)
	}
	if _, err := s.EndCapture(st); !is(err, captureInvalidated) {
		t.Errorf("the end of a broken capture: %v", err)
	}
	if err := launch(); err != nil {
		t.Errorf("a launch after it: %v", err)
	}
}

// A failed launch leaves the context in an error state.
func TestFailLaunch(t *testing.T) {
	s := use(t)
	p := upload(t, s, make([]byte, 128))
	f := function(t, s, kernel("sm_80", 32, 1, addOne))
	s.Set("fail_launch", 2)
	for i := range 3 {
		err := s.Launch(f, [3]uint32{1, 1, 1}, [3]uint32{32, 1, 1}, 0, nil, p)
		if i == 0 && err != nil || i > 0 && !is(err, launchFailed) {
			t.Errorf("launch %d: %v", i, err)
		}
	}
	if err := s.Sync(); !is(err, launchFailed) {
		t.Errorf("after it: %v", err)
	}
}

// Blocks on several host threads give the same results as on one.
func TestThreads(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		s := use(t)
		s.Set("threads", n)
		p := upload(t, s, make([]byte, 4*64*500))
		body := "mov.u32 %r0, %tid.x; mov.u32 %r1, %ctaid.x; mad.lo.s32 %r2, %r1, 64, %r0; mad.wide.u32 %rd0, %r2, 4, %p0; st.global.b32 [%rd0], %r2;"
		if err := launch(t, s, kernel("sm_80", 64, 1, body), 500, 64, 0, p); err != nil {
			t.Fatal(err, s.Findings())
		}
		b := make([]byte, 4*64*500)
		if err := s.Read(b, p); err != nil {
			t.Fatal(err)
		}
		want := make([]uint32, 64*500)
		for i := range want {
			want[i] = uint32(i)
		}
		if string(b) != string(words(want)) {
			t.Errorf("%d threads: wrong", n)
		}
	}
}

// The special registers of a three-dimensional block.
func TestSpecial(t *testing.T) {
	s := use(t)
	body := `mov.u32 %r0, %tid.x; mov.u32 %r1, %tid.y; mov.u32 %r2, %tid.z; mov.u32 %r3, %ntid.x; mov.u32 %r4, %ntid.y; mad.lo.s32 %r5, %r2, %r4, %r1; mad.lo.s32 %r5, %r5, %r3, %r0;
mov.u32 %r6, %ctaid.x; mov.u32 %r7, %ctaid.y; mov.u32 %r8, %nctaid.x; mad.lo.s32 %r9, %r7, %r8, %r6; mov.u32 %r10, %ntid.z; mul.lo.s32 %r11, %r3, %r4; mul.lo.s32 %r11, %r11, %r10; mad.lo.s32 %r12, %r9, %r11, %r5;
mov.u32 %r13, %warpid; mov.u32 %r14, %laneid; mad.lo.s32 %r15, %r13, 32, %r14; setp.eq.u32 %q1, %r15, %r5; selp.b32 %r16, %r12, -1, %q1; mad.wide.u32 %rd0, %r12, 4, %p0; st.global.b32 [%rd0], %r16;`
	ptx := strings.Replace(kernel("sm_80", 0, 1, body), ".reqntid 0", ".maxntid 60", 1)
	const n = 5 * 4 * 3 * 2 * 3
	p, err := s.Alloc(4 * n)
	if err != nil {
		t.Fatal(err)
	}
	f := function(t, s, ptx)
	if err := s.Launch(f, [3]uint32{2, 3, 1}, [3]uint32{5, 4, 3}, 0, nil, p); err != nil {
		t.Fatal(err, s.Findings())
	}
	b := make([]byte, 4*n)
	if err := s.Read(b, p); err != nil {
		t.Fatal(err, s.Findings())
	}
	want := make([]uint32, n)
	for i := range want {
		want[i] = uint32(i)
	}
	if string(b) != string(words(want)) {
		t.Error("wrong")
	}
	if err := s.Launch(f, [3]uint32{2, 3, 1}, [3]uint32{5, 4, 4}, 0, nil, p); !is(err, invalidValue) {
		t.Errorf("more threads than .maxntid: %v", err)
	}
}

// The environment is read once per process, so the test runs itself again with other settings.
func TestEnvironment(t *testing.T) {
	if os.Getenv("YOCOSIM_SM") == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestEnvironment$")
		cmd.Env = append(os.Environ(), "YOCOSIM_SM=80", "YOCOSIM_MEMORY=100000", "YOCOSIM_MULTIPROCESSORS=3", "YOCOSIM_CHECK=0", "YOCOSIM_THREADS=7", "YOCOSIM_FAIL_ALLOC=2", "YOCOSIM_FAIL_LAUNCH=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	runtime.LockOSThread()
	if err := sim.Use(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"sm": 80, "memory": 100000, "multiprocessors": 3, "check": 0, "threads": 7} {
		if got := sim.Get(name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	p, err := sim.Alloc(1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Alloc(1000); !is(err, outOfMemory) {
		t.Errorf("the second allocation: %v", err)
	}
	if _, err := sim.Alloc(99001); !is(err, outOfMemory) {
		t.Errorf("more than the memory: %v", err)
	}
	if _, err := sim.Load(kernel("sm_90a", 32, 0, "")); !is(err, noBinary) {
		t.Errorf("PTX for sm_90a: %v", err)
	}
	f := function(t, sim, kernel("sm_80", 32, 1, addOne))
	if err := sim.AllowShared(f, 163<<10); err != nil {
		t.Error(err)
	}
	if err := sim.AllowShared(f, 163<<10+1); !is(err, invalidValue) {
		t.Errorf("more shared memory than the GPU has: %v", err)
	}
	if err := sim.Launch(f, [3]uint32{1, 1, 1}, [3]uint32{32, 1, 1}, 0, nil, p); !is(err, launchFailed) {
		t.Errorf("the first launch: %v", err)
	}
}

// TestCapabilities: each compute capability accepts PTX for itself and earlier ones, sm_90a only on
// 9.0, and its amount of shared memory per block.
func TestCapabilities(t *testing.T) {
	if sm := os.Getenv("YOCOSIM_SM"); sm != "" {
		runtime.LockOSThread()
		if err := sim.Use(); err != nil {
			t.Fatal(err)
		}
		for _, target := range []string{"sm_75", "sm_80", "sm_86", "sm_90", "sm_90a", "sm_100"} {
			m, err := sim.Load(kernel(target, 32, 0, ""))
			if fmt.Println(target, err == nil); err != nil {
				continue
			}
			f, err := sim.Function(m, "k")
			if err != nil {
				t.Fatal(err)
			}
			most := 0
			for kb := 1; kb <= 256; kb++ {
				if sim.AllowShared(f, kb<<10) == nil {
					most = kb
				}
			}
			fmt.Println("KiB", most)
		}
		return
	}
	for sm, want := range map[string]string{
		"75":  "sm_75 true KiB 64 sm_80 false sm_86 false sm_90 false sm_90a false sm_100 false",
		"80":  "sm_75 true KiB 163 sm_80 true KiB 163 sm_86 false sm_90 false sm_90a false sm_100 false",
		"86":  "sm_75 true KiB 99 sm_80 true KiB 99 sm_86 true KiB 99 sm_90 false sm_90a false sm_100 false",
		"90":  "sm_75 true KiB 227 sm_80 true KiB 227 sm_86 true KiB 227 sm_90 true KiB 227 sm_90a true KiB 227 sm_100 false",
		"120": "sm_75 true KiB 99 sm_80 true KiB 99 sm_86 true KiB 99 sm_90 true KiB 99 sm_90a false sm_100 true KiB 99",
	} {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestCapabilities$")
		cmd.Env = append(os.Environ(), "YOCOSIM_SM="+sm)
		out, err := cmd.Output()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != want+" PASS" {
			t.Errorf("compute capability %s: %v: %s, want %s", sm, err, got, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	s := use(t)
	for body, want := range map[string]string{
		"add.s32 %r0, %r1;":                          "expected 3 operands",
		"add.s32 %r0, %r1, %rd1;":                    "expected a register of 32 bits and not of 64",
		"add.s32 %r0, %r1, %zz;":                     "unknown register %zz",
		"add.s32 %r0, %r1, %r100;":                   "unknown register %r100",
		"bra NOWHERE;":                               "unknown label",
		"A: A: ret;":                                 "the label A is defined twice",
		"ld.param.b64 %rd0, [k_param_9];":            "expected a parameter",
		"ld.global.v4.b64 {%rd0, %rd1}, [%p0];":      "unknown opcode ld.global.v4.b64",
		"ld.global.v4.b32 {%r0, %r1}, [%p0];":        "expected 4 elements",
		"mov.b32 %r0, 0f123;":                        "a floating-point constant has 8",
		"mov.b32 %r0, nothing;":                      "unknown symbol nothing",
		"{ add.s32 %r0, %r1, 1;":                     "no '}' for",
		"cp.async.cg.shared.global [%r0], [%p0], 8;": "the size is 16",
		"@%r1 ret;":                                  "expected a predicate behind @",
		"add.s32 %r0, !%r1, 1;":                      "only a predicate can have !",
		"add.s32 %r0 %r1, 1;":                        "expected ';'",
	} {
		err := s.Parse([]byte(kernel("sm_80", 32, 1, body)))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "PTX line ") {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                                    "PTX without .target",
		".target sm_x":                        "unknown target",
		".target sm_80 .visible .func f() {}": "only kernels",
		".target sm_80 .visible .entry k(.param .u64 other) {}":          "expected the parameter k_param_0",
		".target sm_80 .visible .entry k() {":                            "no '}'",
		".target sm_80 .visible .entry k() .reqntid 99999999 { }":        "is more than",
		".target sm_80 .visible .entry k() { .reg .b32 %r<99999999>; }":  "is more than",
		".target sm_80 .visible .entry k() { .shared .b8 x[99999999]; }": "is more than",
	} {
		if err := s.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(kernel("sm_80", 64, 2, addOne)))
	f.Add([]byte(kernel("sm_90a", 128, 1, wgmmaCase{n: 16, a: operand{swizzle: 128}, b: operand{swizzle: 64, mn: true}}.body())))
	f.Add([]byte(kernel("sm_80", 64, 2, "{ .reg .pred p; setp.eq.s32 p|%q1, %r0, 0x1F; @!p bra L; shfl.sync.up.b32 %r1|%q2, %r2, 1, 0, -1; } L: mov.b64 {_, %r1}, %rd0; ld.shared.v4.b32 {%r0,%r1,%r2,%r3}, [smem+16];")))
	f.Add([]byte(".version 8.0\n.target sm_80 // x\n.address_size 64 /* y */\n.file 1 \"a.py\"\n.section .debug_info { .b8 1 }\n.visible .entry k(.param .f32 k_param_0) .maxntid 32, 1, 1 { .shared .align 16 .b8 s[64]; .loc 1 2 3\n ld.param.b32 %r1, [k_param_0]; ret; }"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := sim.Parse(text); err != nil && !strings.HasPrefix(err.Error(), "PTX ") && !strings.HasPrefix(err.Error(), "k") {
			if !strings.Contains(err.Error(), ": ") {
				t.Errorf("an error without a position: %v", err)
			}
		}
	})
}

// TestFaultStays: after a kernel's fault nothing in the process works, not even a new context,
// until Reset, which simulates a new process.
func TestFaultStays(t *testing.T) {
	s := use(t)
	f := function(t, s, kernel("sm_80", 64, 1, addOne))
	if err := s.Launch(f, [3]uint32{1, 1, 1}, [3]uint32{64, 1, 1}, 0, nil, 64); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(); !is(err, illegalAddress) {
		t.Fatalf("a fault: %v", err)
	}
	if _, err := s.Alloc(16); !is(err, illegalAddress) {
		t.Errorf("an allocation after it: %v", err)
	}
	if err := s.Renew(); !is(err, illegalAddress) {
		t.Errorf("a new context after it: %v", err)
	}
	s.Reset()
	if err := s.Renew(); err != nil {
		t.Errorf("a new context after Reset: %v", err)
	}
	if _, err := s.Alloc(16); err != nil {
		t.Errorf("an allocation after Reset: %v", err)
	}
}
