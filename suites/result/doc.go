// Package result defines the results of a run, which reports, comparisons and gates read. It is the
// only interface between measuring and reporting.
//
// A run's journal (results.jsonl) has one JSON object per line. The journal starts with a line of
// type "run", and there is another one each time the run was resumed. It contains the suite, the
// settings and the environment of the lines that follow. Every other line is a Record of one case.
// Lines are only appended, each in one write that is synced to disk before the next case starts.
//
// The last member of each line is "sha256": the first 16 hexadecimal digits of the SHA-256 hash of
// the line up to the comma before it. A line with a wrong checksum, or that is not JSON, is skipped
// with a notice; other lines are not affected. A complete last line without a newline counts. Lines
// of schema 1, which older versions wrote, have no checksum.
//
// A journal has one writer at a time, which holds a lock on the file (flock, LockFileEx) until its
// process ends. The file .results.jsonl.writer only identifies the holder.
package result

// SchemaVersion is the version of the journal format. Version 2 added checksums. Lines of newer
// versions are not read.
const SchemaVersion = 2
