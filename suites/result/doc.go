// Package result holds what a run leaves, and what reports, comparisons and
// gates read: nothing else connects measuring and reporting.
//
// A run's journal (results.jsonl) holds one JSON object a line. A line of type
// "run" opens the journal, and another follows wherever the run was resumed: it
// names the suite, the settings and the environment that hold from there on.
// Every other line is a Record of one case. Lines are only ever appended, each
// in one write and synced to disk before the next case starts.
//
// The last member of each line is "sha256": the first 16 hexadecimal digits of
// the SHA-256 of all bytes of the line before the comma in front of it. A line
// whose checksum does not match, or that is no JSON, is left out with a notice
// and costs no other line. A last line without its newline counts if it is
// whole. Lines of schema 1, which older versions wrote, have no checksum.
//
// A journal has one writer at a time: it holds a lock on the file (flock,
// LockFileEx) that ends with the process. The file .results.jsonl.writer only
// says who holds it.
package result

// SchemaVersion is the version of the journal's format: 2 added the checksum of a line. Lines of
// newer versions are not read.
const SchemaVersion = 2
