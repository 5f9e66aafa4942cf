package result

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

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
