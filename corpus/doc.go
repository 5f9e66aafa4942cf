// Package corpus provides the texts that tasks read: haystacks for needles and
// documents for losses by position.
//
// The way of a text:
//
//  1. A suite names it in short ("prose", "go", "files:books/**/*.txt");
//     ParseSpec makes a Spec of that.
//  2. Open finds it. Generated prose needs nothing; Go's sources and the user's
//     files are read once, sorted, and kept. What was left out is in Notices.
//  3. The Source's Fingerprint, a hash of the content, enters the hash of every
//     case that reads it, and its Name is shown in reports.
//  4. A needle task asks for a Haystack of n bytes, draws Keys, finds an
//     InsertionPoint near the depth it wants and Inserts its fact there. A loss
//     task asks for Documents.
//
// # Generated prose
//
// Package prose writes it from random numbers (package rng).
// A longer text of the same seed begins with the shorter one.
//
// # What training may see
//
// The split between training and measurement is decided by names, so that it
// can be checked anywhere:
//
//   - Prose has streams. The stream's name is hashed into the seed: training
//     reads StreamTrain, tasks read StreamTest.
//   - A package of Go's sources is held out when PackageHeldOut(path), a key of
//     a needle when KeyHeldOut(key): a hash of the name modulo 10 and 8.
//   - No invented name in prose, of either stream, is a held-out key.
//
// # Determinism
//
// The same arguments give the same bytes on every platform and with every
// version of Go: chance comes from ChaCha8 through integer arithmetic alone
// (Rand), and nothing reads maps in their order, directories in theirs, or the
// clock. ProseVersion changes when the generator does; a golden test holds the
// two together.
package corpus
