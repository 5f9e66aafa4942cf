// Package ab compares two builds of yocobench by an A/B experiment on one machine.
//
//  1. Experiment.Resolve finds the binaries of both sides, or builds them in a scratch folder (NewScratch).
//  2. Each round starts a fresh worker process of each side (Work), in random order, and interleaves the cases that gates
//     are about: A B B A and B A A B. It gives one journal a side.
//  3. After the rounds of a fixed schedule the gates are judged; package compare documents the statistics. Cases that no
//     undecided gate needs are not measured any more.
//  4. Experiment.Report returns the verdicts.
package ab
