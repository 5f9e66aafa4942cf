package runners

import (
	"fmt"
	"sync"
)

// MemoryPart is the field of Usage that a block of memory is counted in.
type MemoryPart int

// The parts, in the order of Usage.
const (
	MemoryWeights MemoryPart = iota
	MemoryGlobalKV
	MemoryWindowKV
	MemoryState
	MemoryWorkspace

	memoryParts
)

// MemoryAccount counts the bytes that a model holds on a device, by part, and refuses what would
// exceed a budget. Several goroutines may use it at the same time.
type MemoryAccount struct {
	budget int64
	mu     sync.Mutex
	held   [memoryParts]int64
	peak   int64
}

// NewMemoryAccount returns an account of at most budget bytes.
func NewMemoryAccount(budget int64) *MemoryAccount { return &MemoryAccount{budget: budget} }

// Budget returns the number of bytes that may be held.
func (a *MemoryAccount) Budget() int64 { return a.budget }

// Take counts bytes as held if they are within the budget and alloc succeeds; otherwise nothing
// changes. Over the budget the error wraps ErrOutOfMemory and alloc is not called. Calls of alloc
// do not overlap, and must not use the account.
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

// Free counts bytes of a part, which Take counted, as held no more.
func (a *MemoryAccount) Free(part MemoryPart, bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held[part] -= bytes
}

// ResetPeak sets the peak to what is held now.
func (a *MemoryAccount) ResetPeak() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.peak = a.total()
}

// Usage returns what is held, by part, and the most that was held at one time since ResetPeak.
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
