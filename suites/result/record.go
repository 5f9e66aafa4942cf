package result

import "time"

// Status is the outcome of a case.
type Status string

// The statuses. Only Failed makes a run's exit code non-zero: running out of
// memory, over budget or asking for what a model cannot do are answers.
const (
	OK          Status = "ok"
	OOM         Status = "oom"
	Skipped     Status = "skipped"
	Unsupported Status = "unsupported"
	Failed      Status = "failed"
)

// Better says in which direction a metric improves.
type Better string

// The directions.
const (
	Higher Better = "higher"
	Lower  Better = "lower"
	None   Better = "none"
)

// Source says where a number comes from.
type Source string

// Measured numbers come from running a model, computed ones from the cost model. Reports never mix
// them unmarked.
const (
	Measured Source = "measured"
	Computed Source = "computed"
)

// Record is the outcome of one case: one line of the journal.
type Record struct {
	Type   string `json:"type"` // "case"
	Schema int    `json:"schema"`
	// Run is the ID of the header that the record was measured under, in a merged journal. Elsewhere
	// it is empty, and the header is the last one above the record.
	Run   string `json:"run,omitempty"`
	Suite string `json:"suite"`
	// SuiteHash is a hash of the suite's content after all settings were applied.
	SuiteHash string `json:"suite_hash"`
	// Case is a hash of all that decides the result: model and weights, task,
	// params, seed, text, number types. Equal ids mean the same question.
	Case string `json:"case"`
	// Label is the case in words, such as "needle single 8Ki @ 50%".
	Label  string `json:"label"`
	Task   string `json:"task"`
	Model  string `json:"model"`
	Arch   string `json:"arch"`
	Runner string `json:"runner"`
	// Device is what ran the case: the processor's name, or the profile's for computed records.
	Device string `json:"device"`
	Source Source `json:"source"`
	// TrainedContext is the longest context in tokens that the model is made for, as its checkpoint
	// states it; 0 where it states none.
	TrainedContext int `json:"trained_context,omitempty"`
	// Params are the case's parameters by name; numbers are float64 after reading.
	Params map[string]any `json:"params"`
	// Metrics by name, such as "exact", "ttft", "tps".
	Metrics map[string]Metric `json:"metrics,omitempty"`
	// Series are curves, such as NLL against position.
	Series []Series `json:"series,omitempty"`
	// Trials are a needle case's questions and answers.
	Trials []Trial `json:"trials,omitempty"`
	// Notes are remarks that a reader must see beside the numbers.
	Notes []string `json:"notes,omitempty"`
	// Choices are what the device chose by measuring, a line each (runners.Chooser).
	Choices []string `json:"choices,omitempty"`
	Status  Status   `json:"status"`
	// Reason says why Status is not OK.
	Reason string `json:"reason,omitempty"`
	// Start is when the case began, Seconds how long it took, EstimateSeconds what the plan
	// expected (0: unknown).
	Start           time.Time `json:"start"`
	Seconds         float64   `json:"seconds"`
	EstimateSeconds float64   `json:"estimate_seconds,omitempty"`
}

// Outcome is what a case measured.
type Outcome struct {
	Metrics map[string]Metric
	Series  []Series
	Trials  []Trial
	Notes   []string
}

// Fill puts what was measured into the record.
func (r *Record) Fill(o Outcome) {
	r.Metrics, r.Series, r.Trials, r.Notes = o.Metrics, o.Series, o.Trials, o.Notes
}

// Metric is one measured or computed number, with every sample behind it.
type Metric struct {
	// Value is the figure to show: the median of Samples where there are several, unless the task
	// says otherwise.
	Value float64 `json:"value"`
	// Unit is "s", "tokens/s", "bytes", "fraction", "nats/token", "bits/byte", "ratio", "flop", …
	// Unit and Better are those that the task declares (MetricInfo).
	Unit   string `json:"unit"`
	Better Better `json:"better"`
	// Lo and Hi bound the value at the level Level (such as 0.95), by Method ("wilson",
	// "bootstrap", …). Nil: no interval.
	Lo     *float64 `json:"lo,omitempty"`
	Hi     *float64 `json:"hi,omitempty"`
	Level  float64  `json:"level,omitempty"`
	Method string   `json:"method,omitempty"`
	// Samples are the single measurements, in the order taken.
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
	// N is the number of observations behind each point.
	N []int `json:"n,omitempty"`
}

// Trial is one question put to a model.
type Trial struct {
	// Facts are the needles as they stood in the text, Distractors those that were not asked for.
	Facts       []string `json:"facts"`
	Distractors []string `json:"distractors,omitempty"`
	Question    string   `json:"question"`
	Expected    []string `json:"expected"`
	Answer      string   `json:"answer"`
	// Tokens is the real length of the prompt, Depths the real places of the
	// facts in the haystack as fractions of its tokens.
	Tokens int       `json:"tokens"`
	Depths []float64 `json:"depths"`
	// Exact and Contains are the two scores in 0..1 (fractions where several values were asked
	// for).
	Exact    float64 `json:"exact"`
	Contains float64 `json:"contains"`
	// LogProb is the log-probability in nats of the expected answer; NoLogProb is true where the
	// model gave none.
	LogProb   float64 `json:"logprob"`
	NoLogProb bool    `json:"no_logprob,omitempty"`
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
	// SuiteText is the suite with all settings applied, SuiteFile the file or name that was given
	// (the last element of an absolute path), Filter the filters and Settings the rest of what was
	// chosen: with them a run can be resumed. Those of the last header hold.
	SuiteText string    `json:"suite_text"`
	SuiteFile string    `json:"suite_file,omitempty"`
	Filter    []string  `json:"filter,omitempty"`
	Settings  *Settings `json:"settings,omitempty"` // nil in headers of older versions
	Start     time.Time `json:"start"`
	// Command is the command line that made the run, without paths of the machine.
	Command string `json:"command"`
	// Cases is how many records the run has when it is complete.
	Cases int `json:"cases"`
	// Weights identify what the models computed with, by the models' names. With Env.Text they show
	// which inputs changed before a run was resumed.
	Weights map[string]string `json:"weights,omitempty"`
	// Dropped are the cases whose records above this header no longer count, since their inputs or
	// the suite changed.
	Dropped []string `json:"dropped,omitempty"`
	// Round counts the rounds of a measurement of two interleaved builds, whose journals hold a
	// round each; 0 elsewhere.
	Round int `json:"round,omitempty"`
	Env   Env `json:"env"`
	// Tasks describe the tasks of the run and their metrics; nil in headers of older versions
	// (Journal.Tasks).
	Tasks Tasks `json:"tasks,omitempty"`
	// References are published figures that reports set beside the records'.
	References []Reference `json:"references,omitempty"`
	// Baselines names, by model, the model that reports compare it with.
	Baselines map[string]string `json:"baselines,omitempty"`
	// Shard says which part of a plan the run has, nil where it has all of it. Merged is not nil in
	// the last header of a merged run: its records were measured under the headers above.
	Shard  *Shard  `json:"shard,omitempty"`
	Merged *Merged `json:"merged,omitempty"`
}

// Settings are what the command line of a run chose beside the suite.
type Settings struct {
	// Threads is the number that was asked for, 0 for all cores; Tier the kernel tier, "" for the
	// best.
	Threads int    `json:"threads,omitempty"`
	Tier    string `json:"tier,omitempty"`
	// Reports are the formats of reports, as in --reports.
	Reports string `json:"reports,omitempty"`
	// Gates were given beside the suite's.
	Gates []Gate `json:"gates,omitempty"`
	// Baselines are the paths of baselines, relative to the folder of the run. Absolute paths are
	// not kept.
	Baselines      []string `json:"baselines,omitempty"`
	AcrossMachines bool     `json:"across_machines,omitempty"`
	// Inputs is the folder that the suite's relative paths start from, relative to the folder of
	// the run; "" where only an absolute path leads there.
	Inputs string `json:"inputs,omitempty"`
}

// Gate is a gate as it was given.
type Gate struct {
	Text       string  `json:"gate"`
	Confidence float64 `json:"confidence"`
}

// Reference is a published figure to stand beside a metric, or beside a ratio of two models'
// metrics.
type Reference struct {
	Task   string `json:"task"`
	Metric string `json:"metric"`
	Model  string `json:"model"`
	// Over is the model whose metric divides Model's, where the figure is a ratio; empty where it
	// is Model's own.
	Over string `json:"over,omitempty"`
	// Length is the context length in tokens that the figure belongs to: it matches a record's
	// param on the first axis of its task, or "length"; 0 matches all.
	Length float64 `json:"length,omitempty"`
	Value  float64 `json:"value"`
	// Unit is the unit in which the source gives it; "ratio" where Over is set.
	Unit string `json:"unit"`
	// Source says where it was published, Note any assumption or bound ("under 6 s").
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
	// Why says why the tier was chosen.
	Why string `json:"kernel_tier_reason,omitempty"`
	GPU string `json:"gpu,omitempty"`
	// Accelerator is the GPU that models ran on, nil where none did.
	Accelerator *Accelerator `json:"accelerator,omitempty"`
	// GFLOPS (float32 weights), BF16GFLOPS and GBps are the peaks measured at the start of the run,
	// 0 if they were not.
	GFLOPS     float64 `json:"gflops,omitempty"`
	BF16GFLOPS float64 `json:"bf16_gflops,omitempty"`
	GBps       float64 `json:"gbps,omitempty"`
	// Text names what was read from the machine (name and fingerprint), such as Go's sources.
	Text map[string]string `json:"text,omitempty"`
}

// Accelerator describes a GPU that models ran on, as it was when the run began.
type Accelerator struct {
	Name string `json:"name"`
	// Capability is the compute capability, 10 major + minor.
	Capability      int   `json:"capability"`
	Multiprocessors int   `json:"multiprocessors"`
	Memory          int64 `json:"memory"`
	// CUDA is the version that the driver is for; Kernels the target of the kernels in use, and Why
	// the reason.
	CUDA    string `json:"cuda"`
	Kernels string `json:"kernels"`
	Why     string `json:"kernels_reason"`
	// Code says whether they were compiled ahead of time or by the driver.
	Code string `json:"kernels_code,omitempty"`
	// CUBLAS is the version of cuBLAS that products may be computed by; NoCUBLAS says why there is
	// none.
	CUBLAS   string `json:"cublas,omitempty"`
	NoCUBLAS string `json:"no_cublas,omitempty"`
	// State is nil where NVML did not give it; NoState says why.
	State   *GPUState `json:"state,omitempty"`
	NoState string    `json:"no_state,omitempty"`
}

// GPUState is what a GPU did at a moment. Zero values are unknown.
type GPUState struct {
	// Driver is the driver's own version.
	Driver string `json:"driver,omitempty"`
	// SMClock and MemoryClock are in MHz, with the highest that the GPU can have.
	SMClock        int `json:"sm_mhz,omitempty"`
	SMClockMax     int `json:"sm_mhz_max,omitempty"`
	MemoryClock    int `json:"memory_mhz,omitempty"`
	MemoryClockMax int `json:"memory_mhz_max,omitempty"`
	// Power and its limit are in watts, Temperature in degrees Celsius.
	Power       float64 `json:"power_w,omitempty"`
	PowerLimit  float64 `json:"power_limit_w,omitempty"`
	Temperature int     `json:"temperature_c,omitempty"`
	// Throttled lists what held the clocks back, idleness apart.
	Throttled []string `json:"throttled,omitempty"`
}

// Interval returns m with the bounds lo and hi at a level.
func (m Metric) Interval(lo, hi, level float64, method string) Metric {
	m.Lo, m.Hi, m.Level, m.Method = &lo, &hi, level, method
	return m
}
