package result

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// MaxShards bounds the number of shards of a plan.
const MaxShards = 100_000

// Shard describes the part of a plan that a run has, where several machines share the plan.
type Shard struct {
	// Number is the shard's, from 1 to Count.
	Number int `json:"number"`
	Count  int `json:"count"`
	// Plan is a hash of the ids of all cases of the plan, in order, with their shards. Shards that
	// belong together have the same.
	Plan string `json:"plan"`
	// PlanCases is the number of cases of the plan, Cases the shard's own: each id with its index
	// in the plan.
	PlanCases int            `json:"plan_cases"`
	Cases     map[string]int `json:"cases"`
}

// String returns the shard as in --shard: "3/16".
func (s *Shard) String() string { return fmt.Sprintf("%d/%d", s.Number, s.Count) }

// Merged describes a run that was merged from shards.
type Merged struct {
	// Plan and Shards are the plan's hash and number of shards.
	Plan   string `json:"plan"`
	Shards int    `json:"shards"`
	// Missing lists the shards without a run, Incomplete those with a run that lacks cases; Cases
	// is the number of all cases that have no record. They are empty unless the merge was partial.
	Missing    []int `json:"missing,omitempty"`
	Incomplete []int `json:"incomplete,omitempty"`
	Cases      int   `json:"missing_cases,omitempty"`
	// Duplicates counts the records that were left out because another run measured the case first.
	Duplicates int `json:"duplicates,omitempty"`
}

// partial says what a partial merge lacks.
func (j *Journal) partial() []string {
	last := j.Last()
	if last == nil || last.Merged == nil || last.Merged.Cases == 0 {
		return nil
	}
	m := last.Merged
	out := fmt.Sprintf("partial merge: %d of %d cases have no record", m.Cases, last.Cases)
	if len(m.Missing) > 0 {
		out += fmt.Sprintf("; missing shards of %d: %s", m.Shards, numbers(m.Missing))
	}
	if len(m.Incomplete) > 0 {
		out += "; incomplete shards: " + numbers(m.Incomplete)
	}
	return []string{out}
}

// numbers lists numbers, at most twenty of them.
func numbers(ns []int) string {
	const shown = 20
	var words []string
	for _, n := range ns[:min(len(ns), shown)] {
		words = append(words, strconv.Itoa(n))
	}
	if more := len(ns) - shown; more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, ", ")
}

// NewID returns a new random ID for a header.
func NewID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

// Machine returns a short hash of the properties of a machine that affect times: CPU, cores,
// threads, kernel tier, GPU and system. Times of equal machines can be compared.
func (e Env) Machine() string {
	h := sha256.Sum256(fmt.Append(nil, []any{e.CPU, e.Cores, e.Threads, e.KernelTier, e.GPU, e.OS, e.Arch}))
	return hex.EncodeToString(h[:4])
}
