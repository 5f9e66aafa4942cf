//go:build cuda

package cudasim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

var sim *Sim

func TestMain(m *testing.M) {
	runtime.LockOSThread()
	os.Exit(func() int {
		dir := filepath.Join("..", "..", "bin", "cudasim")
		if out, err := exec.Command("./build.sh", dir).CombinedOutput(); err != nil {
			fmt.Printf("SKIPPED: the simulator's tests: it cannot be built: %v\n%s", err, out)
			if os.Getenv("YOCOBENCH_NO_SKIP") == "1" {
				return 1
			}
			return 0
		}
		path, err := filepath.Abs(filepath.Join(dir, "libcuda.so.1"))
		if err == nil {
			sim, err = Open(path)
		}
		if err != nil {
			fmt.Println(err)
			return 1
		}
		sim.Set("quiet", 1)
		return m.Run()
	}())
}

// use locks the test's goroutine to its thread and gives it an empty context.
func use(t testing.TB) *Sim {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	if err := sim.Use(); err != nil {
		t.Fatal(err)
	}
	sim.Reset()
	if err := sim.Renew(); err != nil {
		t.Fatal(err)
	}
	sim.Set("check", 1)
	sim.Set("threads", 1)
	sim.Set("fail_alloc", 0)
	sim.Set("fail_launch", 0)
	return sim
}

// kernel returns a module with one entry, k, with n 64-bit parameters in %p0, %p1, …. It declares
// 100 registers each of %r, %rd, %h (16 bits), %f (32 bits) and %q (predicates).
func kernel(target string, threads, n int, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".version 8.0\n.target %s\n.address_size 64\n.extern .shared .align 16 .b8 smem[];\n.visible .entry k(", target)
	for i := range n {
		fmt.Fprintf(&b, "%s.param .u64 .ptr .global .align 1 k_param_%d", map[bool]string{true: ", ", false: ""}[i > 0], i)
	}
	fmt.Fprintf(&b, ")\n.reqntid %d\n{\n.reg .pred %%q<100>; .reg .b16 %%h<100>; .reg .b32 %%r<100>; .reg .b32 %%f<100>; .reg .b64 %%rd<100>; .reg .b64 %%p<%d>;\n", threads, max(n, 1))
	for i := range n {
		fmt.Fprintf(&b, "ld.param.b64 %%p%d, [k_param_%d];\n", i, i)
	}
	b.WriteString(body)
	b.WriteString("\nret;\n}\n")
	return b.String()
}

// launch runs entry k of the PTX once and waits.
func launch(t testing.TB, s *Sim, ptx string, grid, block, shared int, params ...uint64) error {
	t.Helper()
	m, err := s.Load(ptx)
	if err != nil {
		t.Fatalf("load: %v %v\n%s", err, s.Parse([]byte(ptx)), ptx)
	}
	f, err := s.Function(m, "k")
	if err != nil {
		t.Fatalf("function: %v: %v\n%s", err, s.Findings(), ptx)
	}
	if shared > 48<<10 {
		if err := s.AllowShared(f, shared); err != nil {
			return err
		}
	}
	if err := s.Launch(f, [3]uint32{uint32(grid), 1, 1}, [3]uint32{uint32(block), 1, 1}, shared, nil, params...); err != nil {
		return err
	}
	return s.Sync()
}

func words(v []uint32) []byte {
	b := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], x)
	}
	return b
}

func upload(t testing.TB, s *Sim, b []byte) uint64 {
	t.Helper()
	p, err := s.Alloc(len(b))
	if err == nil {
		err = s.Write(p, b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// lanes runs body in one warp. Before it, word k of lane l is in %r<k>; afterwards %r<50+k> is
// returned as out[k][l].
func lanes(t testing.TB, target, body string, out int, in ...[]uint32) [][]uint32 {
	t.Helper()
	s := use(t)
	var b strings.Builder
	b.WriteString("mov.u32 %r99, %tid.x; mad.wide.u32 %rd99, %r99, 4, %p0; mad.wide.u32 %rd98, %r99, 4, %p1;\n")
	var flat []uint32
	for k, v := range in {
		if len(v) != 32 {
			t.Fatal("not 32 lanes")
		}
		flat = append(flat, v...)
		fmt.Fprintf(&b, "ld.global.b32 %%r%d, [%%rd99+%d];\n", k, 128*k)
	}
	b.WriteString(body + "\n")
	for k := range out {
		fmt.Fprintf(&b, "st.global.b32 [%%rd98+%d], %%r%d;\n", 128*k, 50+k)
	}
	if len(flat) == 0 {
		flat = make([]uint32, 1)
	}
	src := upload(t, s, words(flat))
	dst, err := s.Alloc(128 * out)
	if err != nil {
		t.Fatal(err)
	}
	if err := launch(t, s, kernel(target, 32, 2, b.String()), 1, 32, 32<<10, src, dst); err != nil {
		t.Fatalf("%v: %v", err, s.Findings())
	}
	raw := make([]byte, 128*out)
	if err := s.Read(raw, dst); err != nil {
		t.Fatal(err)
	}
	r := make([][]uint32, out)
	for k := range r {
		for l := range 32 {
			r[k] = append(r[k], binary.LittleEndian.Uint32(raw[128*k+4*l:]))
		}
	}
	return r
}

func lanesOf(f func(l int) uint32) []uint32 {
	v := make([]uint32, 32)
	for l := range v {
		v[l] = f(l)
	}
	return v
}

func equal(t *testing.T, what string, got, want []uint32) {
	t.Helper()
	for l := range want {
		if got[l] != want[l] {
			t.Errorf("%s: lane %d is %#x, want %#x", what, l, got[l], want[l])
			return
		}
	}
}

func is(err error, r Result) bool { return errors.Is(err, r) }
