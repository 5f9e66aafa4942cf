// Package result is the hinge of yocobench: what a run leaves, and the only
// thing that reports, comparisons and gates read.
//
// A run's journal (results.jsonl) holds one JSON object a line. A line of type
// "run" opens the journal, and another stands wherever the run was resumed: it
// tells the suite and the environment. Every other line is a Record of one
// case. Lines are only ever appended, each synced to disk before the next case
// starts, so whatever was measured survives a crash; a torn last line is
// dropped on reading, with a notice.
package result

// SchemaVersion is the version of the journal's format. Readers refuse newer ones.
const SchemaVersion = 1
