// Package ab compares two builds of yocobench by an A/B experiment on one machine.
//
//  1. Experiment.Resolve finds the binaries of both sides, or builds them in a scratch folder
//     (NewScratch).
//  2. Each round starts a new worker process per side (Work), in random order, and interleaves the
//     cases that gates refer to: A B B A and B A A B. It gives one journal per side.
//  3. The gates are tested after the rounds of a fixed schedule; package compare documents the
//     statistics. Cases that no undecided gate needs are no longer measured.
//  4. Experiment.Report returns the verdicts.
package ab
