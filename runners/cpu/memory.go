package cpu

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/yocobench/yocobench/internal/limits"
	"github.com/yocobench/yocobench/runners"
)

// pool allocates the memory of one model: everything that the runner holds is a block of a pool and
// counted in its account.
type pool struct {
	account *runners.MemoryAccount
	// arena is the memory for weights: many of them share one mapping of huge pages, which causes
	// few TLB misses in a decode step.
	arena  []byte
	arenas [][]byte
	// poison fills new workspace with NaN (tests).
	poison bool
}

// block is a piece of memory, 64-byte aligned and initially zero.
type block struct {
	pool   *pool
	part   runners.MemoryPart
	bytes  int64 // as counted in the account
	data   []byte
	mapped []byte
}

// take makes a block of the given bytes, or returns an error that wraps ErrOutOfMemory. slack is
// the number of extra bytes that the layout needs at its end (less than a row), which are not
// counted.
func (p *pool) take(part runners.MemoryPart, bytes int64, slack int) (*block, error) {
	b := &block{pool: p, part: part, bytes: bytes}
	err := p.account.Take(part, bytes, func() error {
		if err := b.alloc(int(bytes) + slack); err != nil {
			return fmt.Errorf("%w: %v", runners.ErrOutOfMemory, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if p.poison && part == runners.MemoryWorkspace {
		for i := range b.data {
			b.data[i] = 0xff // a NaN in every type
		}
	}
	return b, nil
}

// mapFrom is the size from which a block is memory-mapped instead of allocated on Go's heap: its
// pages cost nothing until they are used, and are freed at once.
const mapFrom = 1 << 18

func (b *block) alloc(n int) (err error) {
	if b.part == runners.MemoryWeights && n < arenaBytes/4 {
		if b.data, err = b.pool.carve(n); b.data != nil || err != nil {
			return err
		}
	}
	if n >= mapFrom {
		if b.mapped, err = mapMemory(n); err != nil {
			return err
		}
		if b.mapped != nil {
			b.data = b.mapped[:n]
			return nil
		}
	}
	raw := make([]byte, n+64)
	off := int(-uintptr(unsafe.Pointer(&raw[0])) & 63)
	b.data = raw[off : off+n : off+n]
	return nil
}

// arenaBytes is the size of a mapping for weights. Unused parts of it cost nothing.
const arenaBytes = 256 << 20

// carve allocates n bytes for weights, which are freed with the whole arena (freeArenas).
func (p *pool) carve(n int) ([]byte, error) {
	if n > len(p.arena) {
		a, err := mapMemory(arenaBytes)
		if a == nil || err != nil {
			return nil, err
		}
		p.arena, p.arenas = a, append(p.arenas, a)
	}
	b := p.arena[:n:n]
	p.arena = p.arena[min(len(p.arena), (n+127)&^127):]
	return b, nil
}

// freeArenas frees the memory of all weights.
func (p *pool) freeArenas() {
	for _, a := range p.arenas {
		unmapMemory(a)
	}
	p.arena, p.arenas = nil, nil
}

// free frees the block. A second call does nothing.
func (b *block) free() {
	if b == nil || b.data == nil && b.mapped == nil {
		return
	}
	if b.mapped != nil {
		unmapMemory(b.mapped)
	}
	b.data, b.mapped = nil, nil
	b.pool.account.Free(b.part, b.bytes)
}

func (b *block) floats() []float32 {
	if len(b.data) < 4 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&b.data[0])), len(b.data)/4)
}

func (b *block) words() []uint32 {
	if len(b.data) < 4 {
		return nil
	}
	return unsafe.Slice((*uint32)(unsafe.Pointer(&b.data[0])), len(b.data)/4)
}

// fallbackMemory is assumed if the machine does not report its memory.
const fallbackMemory = 8 << 30

// machineMemory is the memory that models may use: what is available now, limited by what this
// process is allowed, minus a reserve for memory that the pool does not count, such as Go's heap.
func machineMemory() int64 {
	m := limits.ReadMemory()
	switch {
	case m.By == "":
		return fallbackMemory
	case !m.Hard():
		return m.Left
	}
	return max(0, m.Left-min(max(m.Left/8, 32<<20), 256<<20))
}

// defaultThreads is the default number of threads.
func defaultThreads() int { return limits.ReadCPUs().Count }

// nameIn finds the processor's name in the text of /proc/cpuinfo, under the keys of x86, LoongArch,
// MIPS, POWER and RISC-V, or builds one from the numbers of an ARM core. It returns "" if there is
// neither; such a machine is never considered equal to another.
func nameIn(cpuinfo string) string {
	fields := map[string]string{}
	for line := range strings.Lines(cpuinfo) {
		if k, v, ok := strings.Cut(line, ":"); ok {
			if k = strings.TrimSpace(k); fields[k] == "" {
				fields[k] = strings.TrimSpace(v)
			}
		}
	}
	for _, k := range []string{"model name", "Model Name", "cpu model", "cpu", "uarch"} {
		if fields[k] != "" && fields[k] != "unknown" {
			return fields[k]
		}
	}
	if i, part := fields["CPU implementer"], fields["CPU part"]; i != "" && part != "" {
		return fmt.Sprintf("ARM implementer %s part %s variant %s revision %s", i, part, fields["CPU variant"], fields["CPU revision"])
	}
	return ""
}
