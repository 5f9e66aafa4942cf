package load_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/openai"
	"github.com/yocobench/yocobench/serving/load"
)

var (
	inFlight   = flag.Int("in-flight", 16, "requests in flight of TestLoopback")
	loadTime   = flag.Duration("load-time", time.Second, "time during which TestLoopback sends requests")
	checkTimes = flag.Bool("check-times", false, "let TestLoopback compare times, which needs an idle machine")
)

// stubEnv makes the test program the server of TestLoopback.
const stubEnv = "YOCOBENCH_LOAD_STUB"

func TestMain(m *testing.M) {
	if os.Getenv(stubEnv) != "" {
		if err := stub(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// The times of the stub. The prompt determines when an answer begins, from first to 2*first; each
// is the time between its tokens.
const (
	first = 300 * time.Millisecond
	each  = 40 * time.Millisecond
)

// stub serves answers at known times until its standard input ends. It prints its address. The text
// of each token is the time from the arrival of the request to when it was written.
func stub() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived := time.Now()
		var q struct {
			Prompt    string `json:"prompt"`
			MaxTokens int    `json:"max_tokens"`
			Stream    bool   `json:"stream"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, "{}", http.StatusNotFound)
			return
		}
		usage := fmt.Sprintf(`"usage":{"prompt_tokens":%d,"completion_tokens":%d}`, len(strings.Fields(q.Prompt)), q.MaxTokens)
		if !q.Stream {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"choices":[{"index":0,"text":"x","finish_reason":"length"}],%s}`, usage)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		h := fnv.New32a()
		_, _ = io.WriteString(h, q.Prompt)
		at := first + first*time.Duration(h.Sum32()%1000)/1000
		for range q.MaxTokens {
			time.Sleep(at - time.Since(arrived))
			at += each
			fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"text\":\"%v \",\"finish_reason\":null}]}\n\n", time.Since(arrived))
			w.(http.Flusher).Flush()
		}
		fmt.Fprintf(w, "data: {\"choices\":[],%s}\n\ndata: [DONE]\n\n", usage)
	}))
}

// start starts the stub and returns its address.
func start(t *testing.T) string {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env, c.Stderr = append(os.Environ(), stubEnv+"=1"), os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = c.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// resources are what the client holds.
type resources struct {
	heap              uint64
	files, goroutines int
}

func held() (r resources) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.heap, r.goroutines, r.files = m.HeapAlloc, runtime.NumGoroutine(), -1
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		r.files = len(entries)
	}
	return r
}

// times are measured times and those of the stub, in seconds.
type times struct{ measured, did, differ []float64 }

func timesOf(n int) *times {
	return &times{make([]float64, 0, n), make([]float64, 0, n), make([]float64, 0, n)}
}

func (x *times) add(measured, did float64) {
	x.measured, x.did, x.differ = append(x.measured, measured), append(x.did, did), append(x.differ, measured-did)
}

// report logs percentiles, and compares them if check is set.
func (x *times) report(t *testing.T, name string, check bool) {
	for _, v := range [][]float64{x.measured, x.did, x.differ} {
		slices.Sort(v)
	}
	for _, p := range []float64{50, 99} {
		m, d := load.Percentile(x.measured, p), load.Percentile(x.did, p)
		t.Logf("%s p%.0f: measured %.3f ms, the server %.3f ms, difference %.3f ms; of single values %.3f ms", name, p, m*1e3, d*1e3, (m-d)*1e3, load.Percentile(x.differ, p)*1e3)
		if check && !(math.Abs(m-d) <= 1e-3) {
			t.Errorf("%s p%.0f is %.3f ms off", name, p, (m-d)*1e3)
		}
	}
}

// TestLoopback measures a server whose times are known. It checks that the number of requests in
// flight stays constant, that nothing grows, and that each answer is the server's. With
// -check-times, measured percentiles of ttft and itl are within a millisecond of what the server
// did (make load-test).
func TestLoopback(t *testing.T) {
	const tokens = 32
	address := start(t)
	server, err := openai.Probe(t.Context(), openai.Spec{URL: "http://" + address + "/v1", Model: "stub", API: openai.Completions}, nil)
	if err != nil {
		t.Fatal(err)
	}
	model := openai.New(server)
	defer model.Close()
	before := held()
	prompts, err := load.NewPrompts(t.Context(), model, load.Questions{Length: 200, Output: tokens, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	most := int(*loadTime/(first+tokens*each)+3) * *inFlight
	ttft, itl := timesOf(most), timesOf(most*tokens)
	st := load.NewStats(tokens, load.Limits{})
	st.ITL = make([]float64, 0, most*tokens) // so that its growth is not that of the client
	var early, late resources
	var mu sync.Mutex
	for at, r := range map[time.Duration]*resources{*loadTime / 4: &early, *loadTime * 19 / 20: &late} {
		timer := time.AfterFunc(at+2*first, func() {
			mu.Lock()
			defer mu.Unlock()
			*r = held()
		})
		defer timer.Stop()
	}
	p := load.Plan{Concurrency: *inFlight, Warmup: *inFlight, Requests: most, Duration: *loadTime}
	begin := time.Now()
	err = load.Run(t.Context(), model, p, func(int) runners.Request { return prompts.Request() }, func(x load.Sample) {
		if x.Index < p.Warmup {
			return
		}
		st.Add(x)
		if x.Err != nil {
			return
		}
		at := strings.Fields(x.Response.Text)
		if len(at) != tokens || len(x.Response.Chunks) != tokens {
			t.Errorf("request %d: %d tokens in %d chunks", x.Index, len(at), len(x.Response.Chunks))
			return
		}
		var last, lastDid float64
		for i, c := range x.Response.Chunks {
			ns, err := time.ParseDuration(at[i])
			if err != nil {
				t.Errorf("request %d: %v", x.Index, err)
				return
			}
			now, did := c.At.Seconds(), ns.Seconds()
			if i == 0 {
				ttft.add(now, did)
			} else {
				itl.add(now-last, did-lastDid)
			}
			last, lastDid = now, did
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	mu.Lock()
	defer mu.Unlock()
	if st.Sent != st.Answered || st.Sent < *inFlight || st.Retries > 0 || len(st.Faults()) > 0 {
		t.Errorf("%d of %d requests answered, %d retries, %+v", st.Answered, st.Sent, st.Retries, st.Faults())
	}
	if *loadTime > 10*first && !(st.InFlight() > 0.9*float64(*inFlight)) { // the last answers end one by one
		t.Errorf("%.1f requests in flight, want %d", st.InFlight(), *inFlight)
	}
	for i := range ttft.measured { // a chunk cannot be seen before it was written
		if ttft.measured[i] < ttft.did[i]-1e-4 {
			t.Errorf("ttft of %g s, the server answered after %g s", ttft.measured[i], ttft.did[i])
			break
		}
	}
	t.Logf("%d requests in %v, %.1f in flight, %d retries; load average %s", st.Sent, took.Round(time.Millisecond), st.InFlight(), st.Retries, loadAverage())
	ttft.report(t, "ttft", *checkTimes)
	itl.report(t, "itl", *checkTimes)
	model.Close()
	after := held()
	for range 100 { // connections close
		if after.files <= before.files && after.goroutines <= before.goroutines {
			break
		}
		time.Sleep(50 * time.Millisecond)
		after = held()
	}
	t.Logf("before %+v; at a quarter %+v; near the end %+v; after %+v", before, early, late, after)
	if *loadTime > 10*time.Second {
		const room = 4 << 20 // latencies of 256 requests and buffers
		if late.heap > early.heap+room || late.files > early.files+8 || late.goroutines > early.goroutines+64 {
			t.Errorf("resources grew from %+v to %+v", early, late)
		}
	}
	if after.files > before.files || after.goroutines > before.goroutines {
		t.Errorf("resources held after the run: %+v, before it %+v", after, before)
	}
}

// loadAverage returns the machine's load, if it is known.
func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	if len(f) == 0 {
		return "unknown"
	}
	if _, err := strconv.ParseFloat(f[0], 64); err != nil {
		return "unknown"
	}
	return f[0]
}
