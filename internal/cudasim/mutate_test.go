//go:build cuda

package cudasim

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	kernels "github.com/yocobench/yocobench/kernels/cuda"
)

// Each synchronizing instruction is deleted from the shipped kernels, one at a time, and the
// checker must report a fault, except for the survivors below, each with the reason.

// Reasons why a deletion is not detected. "with X" means that the other instruction has the same
// effect, and deleting both is detected.
const (
	apart     = "between the barriers before and after it no warp accesses what another warp writes; addresses do not depend on data"
	fenced    = "the operands of its wgmma were not written since the preceding fence"
	unused    = "the copies that it waits for write shared memory that is not used again with these inputs"
	untouched = "no register of its wgmma was used since the preceding fence"
)

// survivors lists the undetected deletions by kernel of the bf16 build for sm_90a.
var survivors = map[string]map[string]string{
	"attend_decode_128": {
		"bar.sync 8": apart,
	},
	"attend_decode_128i": {
		"bar.sync 8": apart,
	},
	"attend_prefill_128": {
		"bar.sync 2":          "with bar.sync 3",
		"fence.proxy.async 2": fenced,
		"bar.sync 3":          "with bar.sync 2",
		"bar.sync 6":          "with bar.sync 7",
		"fence.proxy.async 4": fenced,
		"bar.sync 7":          "with bar.sync 6",
	},
	"attend_prefill_cap_128": {
		"bar.sync 2":          "with bar.sync 3",
		"fence.proxy.async 2": fenced,
		"bar.sync 3":          "with bar.sync 2",
		"bar.sync 6":          "with bar.sync 7",
		"fence.proxy.async 4": fenced,
		"bar.sync 7":          "with bar.sync 6",
	},
	"attend_prefill_128_64x64": {
		"fence.proxy.async 2": fenced,
		"fence.proxy.async 4": fenced,
	},
	"attend_reduce_128": {
		"bar.sync 3": apart,
		"bar.sync 6": apart,
	},
	"attend_window_128": {
		"bar.sync 2":            "with bar.sync 3",
		"bar.sync 3":            "with bar.sync 2",
		"bar.sync 6":            "with bar.sync 7",
		"bar.sync 7":            "with bar.sync 6",
		"bar.sync 10":           "with bar.sync 11",
		"bar.sync 11":           "with bar.sync 10",
		"bar.sync 14":           "with bar.sync 15",
		"bar.sync 15":           "with bar.sync 14",
		"bar.sync 16":           apart,
		"cp.async.wait_group 8": unused,
		"fence.proxy.async 2":   fenced,
		"fence.proxy.async 4":   fenced,
		"fence.proxy.async 6":   fenced,
		"fence.proxy.async 8":   fenced,
	},
	"attend_window_cap_128": {
		"bar.sync 2":            "with bar.sync 3",
		"bar.sync 3":            "with bar.sync 2",
		"bar.sync 6":            "with bar.sync 7",
		"bar.sync 7":            "with bar.sync 6",
		"bar.sync 10":           "with bar.sync 11",
		"bar.sync 11":           "with bar.sync 10",
		"bar.sync 14":           "with bar.sync 15",
		"bar.sync 15":           "with bar.sync 14",
		"bar.sync 16":           apart,
		"cp.async.wait_group 8": unused,
		"fence.proxy.async 2":   fenced,
		"fence.proxy.async 4":   fenced,
		"fence.proxy.async 6":   fenced,
		"fence.proxy.async 8":   fenced,
	},
	"gemm_add": {
		"bar.sync 2": apart,
		"bar.sync 4": apart,
	},
	"gemm_glu": {
		"fence.proxy.async 2": fenced,
		"wgmma.fence 2":       untouched,
	},
	"gemm_add_64x32": {
		"bar.sync 2": apart,
	},
	"gemm_add_64x64": {
		"bar.sync 2": apart,
	},
	"gemm_glu_64x32": {
		"fence.proxy.async 2": fenced,
		"wgmma.fence 2":       untouched,
	},
	"gemm_glu_64x64": {
		"fence.proxy.async 2": fenced,
		"wgmma.fence 2":       untouched,
	},
	"gemv_glu": {
		"bar.sync 3": apart,
		"bar.sync 4": apart,
	},
	"retain_output_128": {
		"bar.sync 1": "with bar.sync 3",
		"bar.sync 3": "with bar.sync 1",
		"bar.sync 4": apart,
	},
	"retain_states_128": {
		"bar.sync 5":          "with bar.sync 6",
		"fence.proxy.async 2": fenced,
		"bar.sync 6":          "with bar.sync 5",
	},
	"retain_step_128": {
		"bar.sync 4": apart,
		"bar.sync 7": apart,
	},
	"retain_step_128i": {
		"bar.sync 4": apart,
		"bar.sync 7": apart,
	},
}

// mutated lists the kernels of the test. With YOCOBENCH_MUTANTS=all (make mutants) all kernels
// launched here are tested.
var mutated = []string{"add_norm", "argmax", "head_norm", "attend_decode_128i", "attend_prefill_128", "attend_prefill_128_64x64", "gemm_add", "gemm_t", "gemm_t_64x32",
	"gemm_t_64x64", "gemm_glu_64x64", "gemv_t", "logprobs", "retain_output_128", "retain_states_128", "retain_step_128", "rmsnorm"}

var synchronising = regexp.MustCompile(`(?m)^[ \t]*(bar\.sync|cp\.async\.wait_group|wgmma\.wait_group|wgmma\.fence|fence\.proxy\.async)[^;\n]*;`)

// place is a synchronizing instruction of a kernel: number n, from 1, of its kind.
type place struct {
	kind  string
	n     int
	line  int
	begin int
	end   int
}

func (p place) String() string { return fmt.Sprintf("%s %d", p.kind, p.n) }

// places lists the synchronizing instructions of a kernel.
func places(ptx string) (out []place) {
	count := map[string]int{}
	for _, m := range synchronising.FindAllStringSubmatchIndex(ptx, -1) {
		kind := ptx[m[2]:m[3]]
		count[kind]++
		out = append(out, place{kind, count[kind], 1 + strings.Count(ptx[:m[2]], "\n"), m[0], m[1]})
	}
	return out
}

// without returns a kernel with the instructions ps blanked out.
func without(ptx string, ps ...place) string {
	b := []byte(ptx)
	for _, p := range ps {
		for i := p.begin; i < p.end; i++ {
			b[i] = ' '
		}
	}
	return string(b)
}

// finds launches a kernel and returns the checker's finding, "" if there is none.
func finds(t *testing.T, s *Sim, ptx string, calls []kernels.Call) string {
	t.Helper()
	m, err := s.Load(ptx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		s.Reset()
		if err := s.Unload(m); err != nil {
			t.Fatal(err)
		}
	}()
	k := calls[0].Kernel
	f, err := s.Function(m, k.Name)
	if err == nil && k.Shared > 48<<10 {
		err = s.AllowShared(f, k.Shared)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		if err := s.Launch(f, c.Grid, [3]uint32{uint32(k.Threads), 1, 1}, k.Shared, nil, c.Params[:c.N]...); err != nil {
			t.Fatal(err, s.Findings())
		}
		if err := s.Sync(); err != nil {
			return s.Findings()[0]
		}
	}
	return ""
}

// shipped returns launches of the kernels that synchronize.
func shipped(t *testing.T, s *Sim, set *kernels.Set, hds []int) map[*kernels.Kernel][]kernels.Call {
	const bytes = 8 << 20
	fill := make([]byte, bytes)
	for i := 0; i < len(fill); i += 2 {
		binary.LittleEndian.PutUint16(fill[i:], uint16(0x3e00+(i*37)%0x100))
	}
	in := upload(t, s, fill)
	out := upload(t, s, fill)
	numbers := make([]uint32, 4096)
	for i := range numbers {
		numbers[i] = uint32(i)
	}
	ints := upload(t, s, words(numbers))
	all := map[*kernels.Kernel][]kernels.Call{}
	var c kernels.Call
	add := func() { all[c.Kernel] = append(all[c.Kernel], c) }
	tiles := func(f func(tile int)) {
		f(0)
		for i := range set.Tiles(c.Kernel) {
			f(i)
			add()
		}
	}
	for _, p := range [][3]int{{150, 300, 208}, {300, 512, 512}, {20, 16, 32}, {33, 520, 64}} {
		m, n, k := p[0], p[1], p[2]
		ldc := (n + 15) &^ 15
		for _, sms := range []int{1, 8} {
			tiles(func(tile int) { set.GemmT(&c, tile, out, in, in, m, n, k, ldc, k, k, sms) })
			tiles(func(tile int) { set.GemmF32(&c, tile, out, in, in, m, n, k, ldc, k, k, sms) })
			tiles(func(tile int) { set.GemmAdd(&c, tile, out, in, in, m, n, k, ldc, k, k, sms) })
			tiles(func(tile int) { set.GemmGlu(&c, tile, out, in, in, m, n, k, ldc, k, k, 1, 0, sms) })
		}
	}
	for _, p := range [][3]int{{1, 48, 1600}, {16, 40, 512}, {7, 20, 48}} {
		m, n, k := p[0], p[1], p[2]
		ldc := (n + 15) &^ 15
		set.GemvT(&c, out, in, in, m, n, k, ldc, k, k)
		add()
		set.GemvF32(&c, out, in, in, m, n, k, ldc, k, k)
		add()
		set.GemvAdd(&c, out, in, in, m, n, k, ldc, k, k)
		add()
		set.GemvGlu(&c, out, in, in, m, n, k, ldc, k, k, 1, 0)
		add()
	}
	for _, p := range [][3]int{{150, 300, 208}, {20, 70, 512}} {
		for _, splits := range []int{1, 2} {
			for _, limit := range []float32{0, 30} {
				set.Logprobs(&c, out, in, in, ints, p[0], p[1], p[2], p[2], p[2], splits, limit)
				add()
			}
		}
	}
	set.Argmax(&c, out, in, 2, 9000, 9000)
	add()
	set.Rmsnorm(&c, out, in, in, 2, 2000, 2000, 2000, 1e-5)
	add()
	set.AddNorm(&c, out, in, in, 2, 2000, 2000, 2000, 1e-5)
	add()
	tiles(func(tile int) { set.HeadNorm(&c, tile, out, in, 2, 3, 1600, 4800, 1e-5) })
	set.AddBias(&c, out, in, 2, 2000, 2000)
	add()
	set.Copy(&c, out, in, 2, 2000, 2000, 2000)
	add()
	set.SoftCap(&c, out, 2, 2000, 2000, 30)
	add()
	set.Embed(&c, out, in, ints, 4, 2000, 2000, 1)
	add()
	set.LogprobsReduce(&c, out, in, 130, 3)
	add()
	set.RetainGates(&c, out, in, 300, 8, 16)
	add()
	table := func(v ...uint64) uint64 {
		b := make([]byte, 8*len(v))
		for i, x := range v {
			binary.LittleEndian.PutUint64(b[8*i:], x)
		}
		return upload(t, s, b)
	}
	pos := upload(t, s, words([]uint32{700, 200}))
	for _, hd := range hds {
		scale := float32(1 / math.Sqrt(float64(hd)))
		ld := 2 * hd
		for _, r := range [][2]int{{300, 0}, {20, 333}, {130, 200}} {
			tiles(func(tile int) {
				set.AttendPrefill(&c, hd, tile, out, in, in, r[0], r[1], 2, 1, hd, 1024, ld, ld, scale)
			})
			for _, window := range []int{64, 500} {
				set.AttendWindow(&c, hd, out, in, in, in, in, r[0], r[1], 2, 1, hd, window, window, ld, ld, ld, ld, scale)
				add()
				set.AttendWindowCap(&c, hd, out, in, in, in, in, r[0], r[1], 2, 1, hd, window, window, ld, ld, ld, ld, scale, 30)
				add()
			}
			set.AttendPrefillCap(&c, hd, out, in, in, r[0], r[1], 2, 1, hd, 1024, ld, ld, scale, 30)
			add()
		}
		caches := table(in, 1024, in, 64)
		for _, splits := range []int{1, 3} {
			for _, limit := range []float32{0, 30} {
				set.AttendDecode(&c, hd, true, out, out+4<<20, in, caches, in, in, pos, 2, 2, 1, hd, ld, scale, limit, splits)
				add()
				set.AttendDecode(&c, hd, false, out, out+4<<20, in, caches, in, in, pos, 2, 2, 1, hd, ld, scale, limit, splits)
				add()
			}
		}
		for _, splits := range []int{1, 40} {
			set.AttendReduce(&c, hd, out, in, in, 2, 2, hd, ld, splits)
			add()
		}
		for _, rows := range []int{300, 64} {
			set.RetainStates(&c, hd, out, in, in, in, rows, 2, hd, ld, ld)
			add()
			set.RetainOutput(&c, hd, out, in, in, in, in, in, in, rows, 2, hd, ld, ld, ld, ld, ld, 1e-5)
			add()
		}
		states := table(out+1<<20, out+2<<20)
		for _, i := range []bool{true, false} {
			set.RetainStep(&c, hd, i, out, in, in, in, in, in, states, in, in, pos, 2, 2, hd, ld, ld, ld, ld, ld, 16, 1e-5)
			add()
			set.Rope(&c, hd, i, out, in, in, pos, 2, 2, hd, ld)
			add()
			set.RopeStore(&c, hd, i, caches, in, in, in, in, pos, ints, 2, 2, hd, ld, ld, 1)
		}
	}
	return all
}

// TestMutants: after each deletion of a synchronizing instruction the checker finds a fault, except
// for the survivors.
func TestMutants(t *testing.T) {
	s := use(t)
	set, err := kernels.Choose("bf16", "sm_90a")
	if err != nil {
		t.Fatal(err)
	}
	all := os.Getenv("YOCOBENCH_MUTANTS") == "all"
	launches := shipped(t, s, set, []int{128})
	tried, total := 0, map[string]int{}
	for _, k := range set.All() {
		if launches[k] == nil || !all && !slices.Contains(mutated, k.Name) {
			continue
		}
		tried++
		ptx, err := k.PTX()
		if err != nil {
			t.Fatal(err)
		}
		if f := finds(t, s, ptx, launches[k]); f != "" {
			t.Errorf("%s without a deletion: %s", k.Name, f)
			continue
		}
		want, ps := survivors[k.Name], places(ptx)
		named := map[string]place{}
		var left []place
		for _, p := range ps {
			named[p.String()] = p
			total[p.kind]++
			if finds(t, s, without(ptx, p), launches[k]) == "" {
				left = append(left, p)
				total[p.kind+" not found"]++
			}
		}
		for _, p := range left {
			reason := want[p.String()]
			other, pair := strings.CutPrefix(reason, "with ")
			switch {
			case reason == "":
				with := ""
				for _, q := range left {
					if q != p && finds(t, s, without(ptx, p, q), launches[k]) != "" {
						with += ", but it is detected together with " + q.String()
					}
				}
				t.Errorf("%s without %s (line %d) is not detected%s", k.Name, p, p.line, with)
			case pair && named[other] == place{}:
				t.Errorf("%s has no %s", k.Name, other)
			case pair && finds(t, s, without(ptx, p, named[other]), launches[k]) == "":
				t.Errorf("%s without %s and %s is not detected", k.Name, p, other)
			}
		}
		for name := range want {
			if !slices.ContainsFunc(left, func(p place) bool { return p.String() == name }) {
				t.Errorf("%s without %s is detected or does not exist: remove it from the table", k.Name, name)
			}
		}
	}
	if tried < len(mutated) {
		t.Errorf("%d kernels, want %d", tried, len(mutated))
	}
	t.Logf("%d kernels: %v", tried, total)
}
