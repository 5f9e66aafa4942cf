// Package compare reports what changed between two sets of runs, and judges gates.
//
// The way from journals to verdicts:
//
//  1. NewSide (side.go) pools the journals of one side by case: each metric
//     becomes a Sample of one of five kinds, which its task declares (sample.go).
//  2. Compare (change.go) sets equal cases side by side: summaries, change, p.
//  3. Judge (judge.go) gathers the evidence on each gate (evaluate.go, evidence.go, ratio.go), and gives
//     a verdict on each case, each gate and all of them.
//  4. text.go, markdown.go and json.go write what came out.
//
// # Statistics by kind of metric
//
// exact: bytes, sequences, and all that is computed. One value is the whole truth; any difference
// is one.
//
// timed: seconds and tokens/s. The figure is the median, its interval that of
// order statistics, the test Mann and Whitney's U (golang.org/x/perf/benchmath).
// Ratios are estimated by the median of all ratios new/base, bounded by those ratios
// whose ranks the U distribution gives (Hodges and Lehmann 1963, of the logarithms;
// Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 4.2): exact for any
// distribution of the noise that is the same on both sides but for a factor. A fixed
// bound on a median is tested by counting the samples beyond it (the sign test).
//
// share: right and wrong answers. Intervals are Clopper and Pearson's (Biometrika 26, 1934), which
// never err more often than they say. Wilson's, which a needle's record carries, do on one side: of
// 10 answers of a model that is right with probability .95, its upper 95 % bound lies below .95 in
// 8.6 % of all cases. The ratio of two shares is bounded by the difference new - factor x base, the
// distances of its parts to their bounds being added in squares (Newcombe, Statistics in Medicine
// 17, 1998, 873, method 10; Zou and Donner, ibid. 27, 2008, for factors). Where both sides answered
// the same questions, the parts are the share gained, the share lost, and (1 - factor) x base.
// Differences are tested by McNemar's exact test for the same questions (for answers in fractions,
// by flipping the signs of the differences), by Fisher's exact test for others. Questions that
// share a haystack are alike: a verdict on them is one on the haystacks that were asked. Up to 4 Ki
// each has its own.
//
// mean: a mean over questions or texts, such as nll. Student's t, of the
// differences where both sides answered the same questions, Welch's elsewhere.
//
// estimate: a number with an interval of its own and no samples, such as bits_per_byte. It can be
// gated by a fixed bound, and is not tested against another.
//
// The same question asked again is no new question: shares and means of several runs
// of a case are averaged, question by question.
//
// # Runs
//
// Two sides are compared by their runs: the samples of a time are the medians of runs, one a run. A
// run's own samples show how far they scatter within it. They do not show what differs between two
// processes, or two minutes of one machine, so the promise below would not hold for them: of pairs
// of runs of one program on a busy machine, docs/measurements/run-calibration.md counts how many
// differ by their samples. The rank tests assume that runs are exchangeable, which taking the runs
// of both sides alternately, or in random order, provides. With n runs of each side the least
// one-sided p is 1/(2n over n): at a confidence of .95 a verdict takes 4 runs of each (1/70), or 3
// and 5, or 2 and 8. A side of a single run supports no verdict whatever the other has, because
// nothing shows how far runs of that side differ. Gates over a baseline are then undecided, and
// comparisons show the change in brackets.
//
// A ratio of two models inside the same runs is judged by the sign test of its value in each run,
// from 6 runs on (at .95). With fewer, each of the two was measured in few stretches of time, and
// samples do not show how far stretches differ. The ratio is then judged only where the samples are
// wholly apart, each of one model (less the factor) on the same side of each of the other. That is
// no promise: docs/measurements/run-calibration.md counts how often it errs on a busy machine, and
// how often a rank test of the samples would.
//
// A fixed limit on a time is a claim about the runs at hand. Its samples are those of the runs put
// together; where the runs differ among themselves by more than their samples explain, the medians
// of the runs.
//
// # Interleaved measurements
//
// An interleaved measurement (yocobench ab; NewTurns) consists of rounds. In each, a fresh process
// of either side runs every case a few times, in the order A B B A B A A B, and a coin decides
// which side is A. A round's figure is the mean of the best tenth of its samples: other
// load only makes a program slower, and samples of a millisecond find gaps. The unit is the round,
// because two processes of one program differ for as long as they live, by where their memory is.
//
// The ratio new/base is judged by Wilcoxon's signed-rank test of the logarithms of the rounds'
// ratios, and bounded by Walsh averages. If the sides are equal but for a factor, exchanging them
// in a round only changes the sign of its logarithm (less the factor's), and the coin did so with
// probability 1/2, independently in each round. So the test is exact, whatever the noise is:
// bursts, drift, heavy tails, a first process that is always slower. Limits of one side and ratios
// between its models are judged by the sign test of the rounds' figures: no coin makes their
// distribution symmetric.
//
// One may stop as soon as a gate is decided, because there is a plan: the data are looked at after
// 10, 12, 15, ... 120 rounds, and each of these 14 looks may err with a 14th of the probability
// (Bonferroni's inequality, so that it does not matter how the looks depend on each other). The
// p-value of the whole is 14 times the smallest of the looks', the interval what their intervals
// have in common; a verdict once reached stays. Boundaries of Pocock's kind (Biometrika 64, 1977),
// which take the looks for normally distributed sums, would save a fifth of the rounds.
//
// # Verdicts
//
// At a confidence C (0.95), a gate passes on a case where the C interval lies wholly on the right
// side of the limit, and fails where it lies wholly on the wrong side, so each is wrong with
// probability (1-C)/2 at most (but see Runs). To fail, p must also pass Holm's step-down test
// (Scandinavian Journal of Statistics 6, 1979) over all cases of all gates judged together: however
// many there are, a run in which nothing regressed is called regressed with probability (1-C)/2 at
// most. A gate passes if all its cases pass; that needs no correction (an intersection-union test,
// Berger, Technometrics 24, 1982). All else is undecided.
package compare
