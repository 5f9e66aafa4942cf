// Package corpus provides the texts that tasks read: haystacks for needles and documents for losses
// by position.
//
//  1. A suite identifies a text in short form ("prose", "go", "files:books/**/*.txt"). ParseSpec
//     parses it to a Spec.
//  2. Open opens the source. Generated prose needs no files. Go's sources and the user's files are
//     read once, sorted and kept in memory. Notices lists skipped files.
//  3. The source's Fingerprint, a hash of the content, is part of the hash of every case that reads
//     it. Its Name appears in reports.
//  4. A needle task requests a Haystack of n bytes, draws Keys, finds an InsertionPoint near the
//     desired depth and Inserts its fact there. A loss task requests Documents.
//
// # Generated prose
//
// Package prose generates it from random numbers (package rng). A longer text of the same seed has
// the shorter one as a prefix.
//
// # Training and test split
//
// Names decide the split between training and evaluation, so it can be checked anywhere:
//
//   - Prose has streams. The name of the stream is hashed into the seed: training reads
//     StreamTrain, tasks read StreamTest.
//   - A package of Go's sources is held out if PackageHeldOut(path), a needle key if
//     KeyHeldOut(key): a hash of the name modulo 10 or 8 is 0.
//   - No invented name in prose, of either stream, is a held-out key.
//
// # Determinism
//
// The same arguments give the same bytes on every platform and with every version of Go. Random
// numbers come from ChaCha8 through integer arithmetic only (package rng). Nothing depends on the
// iteration order of maps, the order of files in directories, or the clock. prose.Version
// changes whenever the generator does; a golden test enforces that.
package corpus
