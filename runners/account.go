package runners

import (
	"fmt"
	"sync"
)

// MemoryPart selects the field of Usage in which a block of memory is counted.
type MemoryPart int

// The memory parts, in the order of the fields of Usage.
const (
	MemoryWeights MemoryPart = iota
	MemoryGlobalKV
	MemoryWindowKV
	MemoryState
	MemoryWorkspace

	memoryParts
)

// MemoryAccount counts the bytes that a model holds on a device, by part, and refuses allocations
// that would exceed a budget. It is safe for concurrent use.
type MemoryAccount struct {
	budget int64
	mu     sync.Mutex
	held   [memoryParts]int64
	peak   int64
}

// NewMemoryAccount returns an account with a budget in bytes.
func NewMemoryAccount(budget int64) *MemoryAccount { return &MemoryAccount{budget: budget} }

// Budget returns the largest number of bytes that may be held.
func (a *MemoryAccount) Budget() int64 { return a.budget }

// Take calls alloc and counts bytes as held. If the budget would be exceeded, it returns an error
// that wraps ErrOutOfMemory without calling alloc. If alloc fails, nothing is counted. Calls of
// alloc are serialized; alloc must not use the account.
func (a *MemoryAccount) Take(part MemoryPart, bytes int64, alloc func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	held := a.total()
	if bytes < 0 || bytes > a.budget-held {
		return fmt.Errorf("%w: %s more than the %s held would exceed the %s allowed",
			ErrOutOfMemory, FormatBytes(bytes), FormatBytes(held), FormatBytes(a.budget))
	}
	if err := alloc(); err != nil {
		return err
	}
	a.held[part] += bytes
	a.peak = max(a.peak, held+bytes)
	return nil
}

// Free subtracts bytes that Take counted for a part.
func (a *MemoryAccount) Free(part MemoryPart, bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held[part] -= bytes
}

// ResetPeak sets the peak to the bytes held now.
func (a *MemoryAccount) ResetPeak() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.peak = a.total()
}

// Usage returns the bytes held, by part, and the largest total since ResetPeak.
func (a *MemoryAccount) Usage() Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Usage{Weights: a.held[MemoryWeights], GlobalKV: a.held[MemoryGlobalKV], WindowKV: a.held[MemoryWindowKV],
		State: a.held[MemoryState], Workspace: a.held[MemoryWorkspace], Peak: a.peak}
}

func (a *MemoryAccount) total() (n int64) {
	for _, h := range a.held {
		n += h
	}
	return n
}
