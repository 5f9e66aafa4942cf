// Package compare reports what changed between two sets of runs and judges gates.
//
//  1. NewSide (side.go) pools the journals of one side by case. Each metric becomes a Sample of one of
//     five kinds, which its task declares (sample.go).
//  2. Compare (change.go) pairs the cases of both sides: summaries, changes, p-values.
//  3. Judge (judge.go) collects the evidence on each gate (evaluate.go, evidence.go, ratio.go) and
//     decides each case, each gate and all gates together.
//  4. text.go, markdown.go, html.go and json.go write the results.
//
// # Statistics by kind of metric
//
// exact: bytes, sequences, and all computed values. One value has no uncertainty, so any difference
// is real.
//
// timed: seconds and tokens/s. The value is the median. Its interval comes from order statistics,
// and differences are tested by the Mann-Whitney U test (golang.org/x/perf/benchmath). A ratio is
// estimated by the median of all ratios new/base. Its bounds are the ratios at the ranks that the U
// distribution gives (Hodges and Lehmann 1963, on logarithms; Hollander, Wolfe and Chicken,
// Nonparametric Statistical Methods, 4.2). They are exact for any noise distribution that is the
// same on both sides up to a factor. A fixed limit on a median is tested by counting the samples
// beyond it (the sign test).
//
// share: right and wrong answers. Intervals are those of Clopper and Pearson (Biometrika 26, 1934),
// whose error rate never exceeds the nominal one. Wilson's interval, which needle records contain,
// is not conservative on each side: for a model that is right with probability .95, the upper 95 %
// bound from 10 answers is below .95 in 8.6 % of all cases. The ratio of two shares is bounded
// through the difference new - factor x base. The distances of its terms from their bounds are
// added in squares (Newcombe, Statistics in Medicine 17, 1998, 873, method 10; Zou and Donner,
// ibid. 27, 2008, for factors). If both sides answered the same questions, the terms are the share
// gained, the share lost, and (1 - factor) x base. Differences are tested by McNemar's exact test
// if the questions are the same (for fractional scores by flipping the signs of the differences),
// otherwise by Fisher's exact test. Questions that share a haystack are correlated, so a verdict on
// them applies to the haystacks in question. Up to 4 Ki tokens, each question has its own haystack.
//
// mean: a mean over questions or texts, such as nll. The test is Student's t on the differences if
// both sides answered the same questions, otherwise Welch's t. Against a fixed limit, the record's
// own interval must agree.
//
// estimate: a number with its own interval and without samples, such as bits_per_byte. It can be
// compared with a fixed limit, but not tested against another estimate.
//
// Asking a question again does not add a question: shares and means of several runs of a case are
// averaged, question by question.
//
// # Runs
//
// Two sides are compared by their runs: the samples of a time are the medians of the runs, one per
// run. The samples within a run show the scatter within that run. They do not show the variation
// between two processes or between two minutes on one machine, so treating them as independent
// would break the error rates below. docs/measurements/run-calibration.md counts, for pairs of runs
// of one program on a busy machine, how many appear different by their samples. The rank tests
// assume that runs are exchangeable. That holds if the runs of both sides are taken alternately or
// in random order. With n runs of each side, the smallest one-sided p is 1/(2n over n). At a
// confidence of .95 a verdict therefore takes 4 runs of each side (1/70), or 3 and 5, or 2 and 8. A
// side with a single run never supports a verdict, because it does not show the variation between
// runs. Gates against a baseline are then undecided, and comparisons show the change in brackets.
//
// A ratio of two models within the same runs is tested by the sign test on its value in each run,
// from 6 runs on (at .95). With fewer runs, each model was measured in few stretches of time, and
// samples do not show how much stretches differ. Then the ratio is decided only if the samples are
// fully separated: each sample of one model (times the factor) is on the same side of every sample
// of the other. This rule has no guaranteed error rate. docs/measurements/run-calibration.md counts
// how often it errs on a busy machine, compared with a rank test of the samples.
//
// A fixed limit on a time is a claim about the runs at hand. Its samples are all samples of the
// runs together. If the runs differ by more than their samples explain, the medians of the runs are
// used instead.
//
// # Interleaved measurements
//
// An interleaved measurement (yocobench ab; NewInterleaved) consists of rounds. In each round, a
// new process of each side runs every case several times, in the order A B B A B A A B. A coin
// decides which side is A. The value of a round is the mean of the best tenth of its samples: other
// load only slows a program down, and samples of a millisecond fit into gaps. The statistical unit
// is the round, because two processes of one program differ for their whole lifetime by the
// placement of their memory.
//
// The ratio new/base is tested by Wilcoxon's signed-rank test on the logarithms of the rounds'
// ratios, and bounded by Walsh averages. If the sides are equal up to a factor, exchanging them in
// a round only flips the sign of its log ratio (relative to the factor's). The coin did so with
// probability 1/2, independently in each round. So the test is exact under any noise: bursts,
// drift, heavy tails, or a first process that is always slower. Limits on one side, and ratios
// between its models, are tested by the sign test on the rounds' values, because no coin makes
// their distribution symmetric.
//
// The measurement may stop as soon as a gate is decided, because the schedule of analyses is fixed:
// gates are tested after 10, 12, 15, ... 120 rounds. Each of these 14 interim analyses may err with
// 1/14 of the error probability. This is Bonferroni's inequality, so the dependence between the
// analyses does not matter. The overall p-value is 14 times the smallest p-value, and the overall
// interval is the intersection of all intervals; a verdict, once reached, stays. Boundaries of
// Pocock's type (Biometrika 64, 1977), which assume normally distributed sums, would save a fifth
// of the rounds.
//
// # Verdicts
//
// At a confidence C (0.95), a gate passes on a case if the whole C interval is within the limit,
// and regresses if the whole interval is beyond it. Each of these is wrong with probability at most
// (1-C)/2 (but see Runs). To regress, p must also pass Holm's step-down test (Scandinavian Journal
// of Statistics 6, 1979) over all cases of all gates tested together. So however many there are, a
// run in which nothing regressed is reported as regressed with probability at most (1-C)/2. A gate
// passes if all its cases pass; that needs no correction (an intersection-union test, Berger,
// Technometrics 24, 1982). Every other gate is undecided.
package compare
