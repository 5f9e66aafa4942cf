package result

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// Status is the outcome of a case.
type Status string

// The statuses. Only Failed makes a run's exit code non-zero. Out of memory, over budget and
// unsupported are valid results.
const (
	OK          Status = "ok"
	OOM         Status = "oom"
	Skipped     Status = "skipped"
	Unsupported Status = "unsupported"
	Failed      Status = "failed"
)

// Better is the direction in which a metric improves.
type Better string

// The directions.
const (
	Higher Better = "higher"
	Lower  Better = "lower"
	None   Better = "none"
)

// Source is the origin of a number.
type Source string

// Measured numbers come from running a model, computed ones from the cost model. Reports always
// mark the difference.
const (
	Measured Source = "measured"
	Computed Source = "computed"
)

// Record is the outcome of one case: one line of the journal.
type Record struct {
	Type   string `json:"type"` // "case"
	Schema int    `json:"schema"`
	// Run is the ID of the header of the record in a merged journal. Otherwise it is empty, and the
	// header is the last one above the record.
	Run   string `json:"run,omitempty"`
	Suite string `json:"suite"`
	// SuiteHash is a hash of the suite with all settings applied.
	SuiteHash string `json:"suite_hash"`
	// Case is a hash of everything that determines the result: model and weights, task, params,
	// seed, text, number types. Equal ids mean the same question.
	Case string `json:"case"`
	// Label is the name of the case in reports, such as "needle single 8Ki @ 50%".
	Label  string `json:"label"`
	Task   string `json:"task"`
	Model  string `json:"model"`
	Arch   string `json:"arch"`
	Runner string `json:"runner"`
	// Device is the name of the device that ran the case or, for computed records, of the profile.
	Device string `json:"device"`
	Source Source `json:"source"`
	// Served is true if the model answered requests, such as those of a server: its times include
	// the network and the server's queue. They are not compared with those of other models.
	Served bool `json:"served,omitempty"`
	// TrainedContext is the longest context that the model was trained for, in tokens, according to
	// its checkpoint. It is 0 if the checkpoint does not state it.
	TrainedContext int `json:"trained_context,omitempty"`
	// Params holds the case's parameters by name. Numbers are float64 after decoding.
	Params map[string]any `json:"params"`
	// Metrics holds the metrics by name, such as "exact", "ttft", "tps".
	Metrics map[string]Metric `json:"metrics,omitempty"`
	// Series holds curves, such as NLL by position.
	Series []Series `json:"series,omitempty"`
	// Trials holds the questions and answers of the case.
	Trials []Trial `json:"trials,omitempty"`
	// Faults counts the errors of requests by kind.
	Faults []Fault `json:"faults,omitempty"`
	// Notes are remarks to show next to the numbers.
	Notes []string `json:"notes,omitempty"`
	// Choices lists the algorithms that the device chose by measuring (runners.AlgorithmLog), one
	// line each.
	Choices []string `json:"choices,omitempty"`
	Status  Status   `json:"status"`
	// Reason explains a Status other than OK.
	Reason string `json:"reason,omitempty"`
	// Start is the start time, Seconds the duration, EstimateSeconds the estimate of the plan (0:
	// unknown).
	Start           time.Time `json:"start"`
	Seconds         float64   `json:"seconds"`
	EstimateSeconds float64   `json:"estimate_seconds,omitempty"`
}

// Outcome is the result of running a case.
type Outcome struct {
	Metrics map[string]Metric
	Series  []Series
	Trials  []Trial
	Faults  []Fault
	Notes   []string
}

// Fill copies the outcome to the record.
func (r *Record) Fill(o Outcome) {
	r.Metrics, r.Series, r.Trials, r.Faults, r.Notes = o.Metrics, o.Series, o.Trials, o.Faults, o.Notes
}

// Fault is a kind of error of the requests of a case.
type Fault struct {
	// Kind is the error in a few words, such as "timeout" or "HTTP 429".
	Kind string `json:"kind"`
	// Failed is the number of requests that failed with it, Retried that of attempts that failed
	// with it and were repeated.
	Failed  int `json:"failed,omitempty"`
	Retried int `json:"retried,omitempty"`
	// Example is the message of the first failure, or "".
	Example string `json:"example,omitempty"`
}

// Metric is one measured or computed number with its samples.
type Metric struct {
	// Value is the number to show. If there are several Samples, it is their median unless the task
	// documents otherwise.
	Value float64 `json:"value"`
	// Unit is "s", "tokens/s", "bytes", "fraction", "nats/token", "bits/byte", "ratio", "flop", …
	// Unit and Better must equal the task's declaration (MetricInfo).
	Unit   string `json:"unit"`
	Better Better `json:"better"`
	// Lo and Hi are the bounds of the value at confidence Level (such as 0.95), by Method
	// ("wilson", "bootstrap", …). They are nil if there is no interval.
	Lo     *float64 `json:"lo,omitempty"`
	Hi     *float64 `json:"hi,omitempty"`
	Level  float64  `json:"level,omitempty"`
	Method string   `json:"method,omitempty"`
	// Samples holds the single measurements in order.
	Samples []float64 `json:"samples,omitempty"`
}

// Series is a curve y(x), optionally with a band.
type Series struct {
	// Name is "nll_bucket", "nll_cumulative", "fit", …
	Name  string    `json:"name"`
	XUnit string    `json:"x_unit"`
	YUnit string    `json:"y_unit"`
	X     []float64 `json:"x"`
	Y     []float64 `json:"y"`
	Lo    []float64 `json:"lo,omitempty"`
	Hi    []float64 `json:"hi,omitempty"`
	// N is the number of observations of each point.
	N []int `json:"n,omitempty"`
}

// Trial is one question to a model.
type Trial struct {
	// Facts holds the needles as inserted in the text, Distractors those that the question does not
	// ask for.
	Facts       []string `json:"facts"`
	Distractors []string `json:"distractors,omitempty"`
	Question    string   `json:"question"`
	Expected    []string `json:"expected"`
	Answer      string   `json:"answer"`
	// Tokens is the actual length of the prompt. Depths holds the actual positions of the facts, as
	// fractions of the haystack's tokens.
	Tokens int       `json:"tokens"`
	Depths []float64 `json:"depths"`
	// Score is the score in 0..1, of tasks with one score. It replaces Exact, Contains and LogProb.
	Score *float64 `json:"score,omitempty"`
	// Exact and Contains are the two scores in 0..1. They are fractions if the question asks for
	// several values.
	Exact    float64 `json:"exact"`
	Contains float64 `json:"contains"`
	// LogProb is the log-probability of the expected answer in nats. NoLogProb reports that the
	// model gave none.
	LogProb   float64 `json:"logprob"`
	NoLogProb bool    `json:"no_logprob,omitempty"`
	// Choices are the texts to choose from, and LogProbs their log-probabilities in nats. Extracted
	// is the part of Answer that was compared, if not all of it was.
	Choices   []string  `json:"choices,omitempty"`
	LogProbs  []float64 `json:"logprobs,omitempty"`
	Extracted string    `json:"extracted,omitempty"`
	// Condition is the way of asking, if the task asks for the same fact in several ways. Trials
	// with the same Pair, a number from 1, ask for the same fact in the same text.
	Condition string `json:"condition,omitempty"`
	Pair      int    `json:"pair,omitempty"`
}

// Margin returns the log-probability of the first of the trial's Choices minus the largest of the
// others', in nats. Choices must be at least two, and the model must have given LogProbs.
func (t Trial) Margin() float64 { return t.LogProbs[0] - slices.Max(t.LogProbs[1:]) }

// Points returns the trial's score in 0..1: Score, or Exact if the task has two.
func (t *Trial) Points() float64 {
	if t.Score != nil {
		return *t.Score
	}
	return t.Exact
}

// MarshalJSON leaves out the fields that Score replaces, and those of facts if there are none.
func (t Trial) MarshalJSON() ([]byte, error) {
	type plain Trial // without this method
	var v any = plain(t)
	if t.Score != nil {
		v = struct {
			plain
			Facts     []string  `json:"facts,omitempty"`
			Depths    []float64 `json:"depths,omitempty"`
			Exact     float64   `json:"exact,omitempty"`
			Contains  float64   `json:"contains,omitempty"`
			LogProb   float64   `json:"logprob,omitempty"`
			NoLogProb bool      `json:"no_logprob,omitempty"`
		}{plain: plain(t), Facts: t.Facts, Depths: t.Depths}
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false) // as in Encode
	err := e.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

// Run is the header line of a journal.
type Run struct {
	Type   string `json:"type"` // "run"
	Schema int    `json:"schema"`
	// ID names the header, so that records of a merged journal can refer to it; empty in headers of
	// older versions. Host is the name of the machine; only shards and merged runs state it.
	ID        string `json:"id,omitempty"`
	Host      string `json:"host,omitempty"`
	Suite     string `json:"suite"`
	Title     string `json:"title,omitempty"`
	SuiteHash string `json:"suite_hash"`
	// SuiteText is the suite with all settings applied. SuiteFile is the file or name that the user
	// gave (of an absolute path only the last element). Filter holds the filters and Settings the
	// other options. A resumed run uses those of the last header.
	SuiteText string    `json:"suite_text"`
	SuiteFile string    `json:"suite_file,omitempty"`
	Filter    []string  `json:"filter,omitempty"`
	Settings  *Settings `json:"settings,omitempty"` // nil in headers of older versions
	Start     time.Time `json:"start"`
	// Command is the command line of the run, without paths of the machine.
	Command string `json:"command"`
	// Cases is the number of records of the complete run.
	Cases int `json:"cases"`
	// Weights identifies the weights by model name. With Env.Text it shows which inputs changed
	// before a run was resumed.
	Weights map[string]string `json:"weights,omitempty"`
	// Dropped lists the cases whose records above this header no longer count, because their inputs
	// or the suite changed.
	Dropped []string `json:"dropped,omitempty"`
	// Round is the number of the round in an A/B experiment, which has one journal per round;
	// otherwise 0.
	Round int `json:"round,omitempty"`
	Env   Env `json:"env"`
	// Tasks declares the tasks of the run and their metrics. It is nil in headers of older versions
	// (see Journal.Tasks).
	Tasks Tasks `json:"tasks,omitempty"`
	// References holds published figures that reports compare with the records.
	References []Reference `json:"references,omitempty"`
	// Baselines maps each model to the model that reports compare it with.
	Baselines map[string]string `json:"baselines,omitempty"`
	// Shard describes the part of a plan that the run has; nil if it has all of it. Merged is not
	// nil in the last header of a merged run: its records were measured under the headers above.
	Shard  *Shard  `json:"shard,omitempty"`
	Merged *Merged `json:"merged,omitempty"`
}

// Settings holds the command-line options of a run that are not part of the suite.
type Settings struct {
	// Threads is the requested number of threads, 0 for all cores. Tier is the kernel tier, "" for
	// the best.
	Threads int    `json:"threads,omitempty"`
	Tier    string `json:"tier,omitempty"`
	// Reports is the value of --reports.
	Reports string `json:"reports,omitempty"`
	// Gates holds the gates of --gate.
	Gates []Gate `json:"gates,omitempty"`
	// Baselines holds the paths of baselines, relative to the run folder. Absolute paths are not
	// stored.
	Baselines      []string `json:"baselines,omitempty"`
	AcrossMachines bool     `json:"across_machines,omitempty"`
	// Inputs is the base folder of the suite's relative paths, relative to the run folder. It is ""
	// if only an absolute path leads there.
	Inputs string `json:"inputs,omitempty"`
}

// Gate is a gate as the user wrote it.
type Gate struct {
	Text       string  `json:"gate"`
	Confidence float64 `json:"confidence"`
}

// Reference is a published figure to compare with a metric, or with the ratio of two models'
// metrics.
type Reference struct {
	Task   string `json:"task"`
	Metric string `json:"metric"`
	Model  string `json:"model"`
	// Over is the model whose metric is the denominator if the figure is a ratio; otherwise empty.
	Over string `json:"over,omitempty"`
	// Length is the context length of the figure in tokens. It matches a record's param on the
	// first axis of its task, or "length"; 0 matches all.
	Length float64 `json:"length,omitempty"`
	Value  float64 `json:"value"`
	// Unit is the unit in the source, or "ratio" if Over is set.
	Unit string `json:"unit"`
	// Source is the publication. Note describes an assumption or a bound ("under 6 s").
	Source string `json:"source"`
	Note   string `json:"note,omitempty"`
}

// Env is the environment of a run.
type Env struct {
	Version    string `json:"version"`
	Commit     string `json:"commit,omitempty"`
	Go         string `json:"go"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	Threads    int    `json:"threads"`
	Memory     int64  `json:"memory"`
	KernelTier string `json:"kernel_tier,omitempty"`
	// Why is the reason for the choice of the tier.
	Why string `json:"kernel_tier_reason,omitempty"`
	GPU string `json:"gpu,omitempty"`
	// Accelerator is the GPU that models ran on, or nil.
	Accelerator *Accelerator `json:"accelerator,omitempty"`
	// GFLOPS (float32 weights), BF16GFLOPS and GBps are the peaks measured at the start of the run,
	// in 10^9 FLOP/s and 10^9 bytes/s. They are 0 if they were not measured.
	GFLOPS     float64 `json:"gflops,omitempty"`
	BF16GFLOPS float64 `json:"bf16_gflops,omitempty"`
	GBps       float64 `json:"gbps,omitempty"`
	// Text holds the fingerprints of text sources by name, such as Go's sources.
	Text map[string]string `json:"text,omitempty"`
}

// Accelerator describes a GPU that models ran on, at the start of the run.
type Accelerator struct {
	Name string `json:"name"`
	// Capability is the compute capability: 10 major + minor.
	Capability      int   `json:"capability"`
	Multiprocessors int   `json:"multiprocessors"`
	Memory          int64 `json:"memory"`
	// CUDA is the CUDA version of the driver, Kernels the target of the kernels in use, Why the
	// reason for it.
	CUDA    string `json:"cuda"`
	Kernels string `json:"kernels"`
	Why     string `json:"kernels_reason"`
	// Code describes whether the kernels were compiled ahead of time or by the driver.
	Code string `json:"kernels_code,omitempty"`
	// CUBLAS is the version of cuBLAS that matrix products may use. NoCUBLAS is the reason why
	// there is none.
	CUBLAS   string `json:"cublas,omitempty"`
	NoCUBLAS string `json:"no_cublas,omitempty"`
	// State is nil if NVML did not provide it, for the reason NoState.
	State   *GPUState `json:"state,omitempty"`
	NoState string    `json:"no_state,omitempty"`
}

// GPUState is the state of a GPU at one time. Zero values are unknown.
type GPUState struct {
	// Driver is the version of the driver.
	Driver string `json:"driver,omitempty"`
	// SMClock and MemoryClock are in MHz, each with its maximum.
	SMClock        int `json:"sm_mhz,omitempty"`
	SMClockMax     int `json:"sm_mhz_max,omitempty"`
	MemoryClock    int `json:"memory_mhz,omitempty"`
	MemoryClockMax int `json:"memory_mhz_max,omitempty"`
	// Power and PowerLimit are in watts, Temperature in degrees Celsius.
	Power       float64 `json:"power_w,omitempty"`
	PowerLimit  float64 `json:"power_limit_w,omitempty"`
	Temperature int     `json:"temperature_c,omitempty"`
	// Throttled lists the reasons for reduced clocks, except idleness.
	Throttled []string `json:"throttled,omitempty"`
}

// Interval returns m with bounds lo and hi at a confidence level.
func (m Metric) Interval(lo, hi, level float64, method string) Metric {
	m.Lo, m.Hi, m.Level, m.Method = &lo, &hi, level, method
	return m
}
