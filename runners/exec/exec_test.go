package exec

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// TestMain runs the test binary as a child: its second argument names the child's fault.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		misbehave(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

// misbehaviour is the fault of a child at its first step, and the expected text of the error.
var misbehaviours = []struct{ name, reply, want string }{
	{"crash", "", "exit status 3"},
	{"half a line", "", "not complete"},
	{"clean exit", "", "exit status 0"},
	{"hang", "", "no answer within"},
	{"stderr forever", "", "MiB to standard error"},
	{"stdout forever", "", "a line of more than 64 MiB"},
	{"garbage", "Loading model...", "not a JSON object"},
	{"empty line", "", "not a JSON object"},
	{"binary", "\xff\xfe", "not UTF-8"},
	{"another id", `{"id":99,"ok":true}`, "the id 99"},
	{"no id", `{"ok":true,"top":[[[1,-0.1]]]}`, "without an id"},
	{"no ok", `{"id":ID,"top":[[[1,-0.1]]]}`, "without ok"},
	{"two objects", `{"id":ID,"ok":true} {}`, "not a JSON object"},
	{"an array", `[1,2]`, "JSON array"},
	{"wrong type", `{"id":ID,"ok":true,"top":"x"}`, `"top" is a JSON string`},
	{"NaN", `{"id":ID,"ok":true,"top":[[[1,NaN]]]}`, "not a JSON object"},
	{"null for NaN", `{"id":ID,"ok":true,"top":[[[1,null]]]}`, `"top" has a null`},
	{"null for a token", `{"id":ID,"ok":true,"Top":[[[null,-0.1]]]}`, `"Top" has a null`},
	{"null elsewhere", `{"id":ID,"ok":true,"tokens":[1,null],"top":[[[1,-0.1]]]}`, `"tokens" has a null`},
	{"positive", `{"id":ID,"ok":true,"top":[[[1,0.5]]]}`, "no log-probability"},
	{"logit", `{"id":ID,"ok":true,"top":[[[1,-99.5]]]}`, "cannot be less than"},
	{"infinite", `{"id":ID,"ok":true,"top":[[[1,-1e300]]]}`, "no log-probability"},
	{"no lists", `{"id":ID,"ok":true}`, "0 lists for 1"},
	{"two lists", `{"id":ID,"ok":true,"top":[[[1,-0.1]],[[1,-0.1]]]}`, "2 lists for 1"},
	{"no tokens", `{"id":ID,"ok":true,"top":[[]]}`, "0 tokens for sequence 1"},
	{"too many", `{"id":ID,"ok":true,"top":[[[1,-0.7],[2,-0.8]]]}`, "2 tokens for sequence 1"},
	{"not a pair", `{"id":ID,"ok":true,"top":[[[1]]]}`, "expected a token"},
	{"outside", `{"id":ID,"ok":true,"top":[[[16,-0.1]]]}`, "expected a token below 16"},
	{"fraction", `{"id":ID,"ok":true,"top":[[[1.5,-0.1]]]}`, "expected a token"},
	{"negative time", `{"id":ID,"ok":true,"ms":-1,"top":[[[1,-0.1]]]}`, "a time of -1 ms"},
	{"unknown error", `{"id":ID,"ok":false,"error":"oops"}`, `the error "oops"`},
	{"failed", `{"id":ID,"ok":false,"error":"failed","message":"a CUDA error"}`, "a CUDA error"},
}

// leaveGroup makes a command leave the process group, where the system has them.
var leaveGroup = func(*exec.Cmd) {}

// grandchild returns the number of the process that the child started, or 0.
func (f *Failure) grandchild() (pid int) {
	for _, l := range f.Stderr {
		_, _ = fmt.Sscanf(l, "grandchild %d", &pid)
	}
	return pid
}

// misbehave is a child that answers correctly up to its first step.
func misbehave(how string) {
	in := bufio.NewScanner(os.Stdin)
	fmt.Fprintln(os.Stderr, "first words")
	for i := range 30 {
		fmt.Fprintf(os.Stderr, "line %d\n", i)
	}
	if how == "slow start" || how == "slow start, stdin closed" {
		time.Sleep(time.Minute)
	}
	for in.Scan() {
		var r request
		if json.Unmarshal(in.Bytes(), &r) != nil {
			os.Exit(9)
		}
		ok := fmt.Sprintf(`{"id":%d,"ok":true,"protocol":1,"name":"bad","vocab":16,"ms":1,"ops":["usage"],"weights":%d,"cache":1}`, r.ID, weights[how])
		if r.Op != "step" {
			fmt.Println(ok)
			continue
		}
		switch how {
		case "crash":
			os.Exit(3)
		case "half a line":
			fmt.Print(`{"id":`)
			os.Exit(4)
		case "clean exit":
			os.Exit(0)
		case "hang":
			time.Sleep(time.Minute)
		case "stderr forever":
			noise := []byte(strings.Repeat(strings.Repeat("x", 1000)+"\n", 1000))
			for {
				os.Stderr.Write(noise)
			}
		case "stdout forever":
			noise := []byte(strings.Repeat("x", 1<<20))
			for {
				os.Stdout.Write(noise)
			}
		case "grandchild", "deserter":
			self, _ := os.Executable()
			c := exec.Command(self, "child", "slow start")
			c.Stdout, c.Stderr = os.Stdout, os.Stderr
			if how == "deserter" {
				leaveGroup(c)
			}
			_ = c.Start()
			fmt.Fprintf(os.Stderr, "grandchild %d\n", c.Process.Pid)
			if how == "deserter" {
				os.Exit(6)
			}
			time.Sleep(time.Minute)
		}
		for _, b := range misbehaviours {
			if b.name == how {
				fmt.Println(strings.ReplaceAll(b.reply, "ID", fmt.Sprint(r.ID)))
			}
		}
	}
	if how == "stays" {
		time.Sleep(time.Minute)
	}
}

// bad is a Spec of a child that misbehaves.
func bad(how string) Spec {
	return Spec{Command: []string{os.Args[0], "child", how}, Start: time.Minute, Request: time.Minute}
}

// stepOnce runs a case of one step.
func stepOnce(m *Model) (err error, late error) {
	m.BeginCase(context.Background())
	s, err := m.NewSequence(4)
	if err == nil {
		err = m.Step(context.Background(), []runners.Sequence{s}, []int{1}, [][]float32{make([]float32, 16)})
		_ = s.Close()
	}
	_, late = m.EndCase()
	return err, late
}

func TestMisbehaviour(t *testing.T) {
	for _, b := range misbehaviours {
		t.Run(b.name, func(t *testing.T) {
			spec := bad(b.name)
			if b.name == "hang" {
				spec.Request = 2 * time.Second
			}
			h, err := Probe(context.Background(), spec)
			if err != nil {
				t.Fatal(err)
			}
			m := newModel(spec, h)
			defer m.Close()
			for range 2 { // a new child for the next case
				err, late := stepOnce(m)
				var f *Failure
				if !errors.As(err, &f) || !strings.Contains(err.Error(), b.want) {
					t.Fatalf("got %v, want a failure with %q", err, b.want)
				}
				if late == nil {
					t.Error("EndCase does not report the failure")
				}
				if b.name != "stderr forever" && (len(f.Stderr) != tailLines || f.Stderr[tailLines-1] != "line 29") {
					t.Errorf("standard error is %q", f.Stderr)
				}
				if len(err.Error()) > 20*tailWidth+1000 {
					t.Errorf("the error has %d bytes", len(err.Error()))
				}
			}
		})
	}
}

func TestSlowStart(t *testing.T) {
	spec := bad("slow start")
	spec.Start = 5 * time.Second // enough to write to standard error on a loaded machine
	begin := time.Now()
	_, err := Probe(context.Background(), spec)
	if err == nil || !strings.Contains(err.Error(), "at hello: no answer within 5s") || !strings.Contains(err.Error(), "line 29") {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d > 50*time.Second {
		t.Errorf("it took %s", d)
	}
	if _, err := Probe(context.Background(), Spec{Command: []string{"no-such-program-yocobench"}}); err == nil || !strings.Contains(err.Error(), "does not start") {
		t.Errorf("got %v", err)
	}
}

func TestContextEndsChild(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	h, err := Probe(ctx, bad("hang"))
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(bad("hang"), h)
	defer m.Close()
	m.BeginCase(ctx)
	s, err := m.NewSequence(4)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, cancel)
	err = m.Step(ctx, []runners.Sequence{s}, []int{1}, [][]float32{make([]float32, 16)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestEndOfContext checks that a child that does not end after bye is ended with the context.
func TestEndOfContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	begin := time.Now()
	if _, err := Probe(ctx, bad("stays")); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) >= goodbye {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
}

// TestKillAll checks that a child that waits for nothing from this process can be ended.
func TestKillAll(t *testing.T) {
	c, err := start(bad("slow start").withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	KillAll()
	<-c.ended
	if running.Lock(); len(running.all) > 0 {
		t.Errorf("%d children run", len(running.all))
	}
	running.Unlock()
	_ = c.close(t.Context())
}

// A process that the child started ends with it.
func TestGroupEnds(t *testing.T) {
	if runtime.GOOS != "linux" {
		testenv.Missing(t, "this test reads /proc")
	}
	spec := bad("grandchild")
	h, err := Probe(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	spec.Request = 3 * time.Second
	m := newModel(spec, h)
	defer m.Close()
	err, _ = stepOnce(m)
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatal(err)
	}
	pid := f.grandchild()
	if pid == 0 {
		t.Skipf("the machine is too busy: no grandchild within %s", spec.Request)
	}
	for range 100 {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("process %d is alive", pid)
}

// weights are the bytes of the weights that a child states.
var weights = map[string]int64{"negative weights": -5, "huge weights": math.MaxInt64}

// What Usage cannot return, EndCase does.
func TestUsageFails(t *testing.T) {
	for how, n := range weights {
		h, err := Probe(context.Background(), bad(how))
		if err != nil {
			t.Fatal(err)
		}
		m := New(bad(how), h, false)
		defer m.Close()
		m.(runners.Meter).Usage()
		if _, err := m.(runners.Cased).EndCase(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d bytes, expected 0 to", n)) {
			t.Errorf("%s: %v", how, err)
		}
	}
}

// An idle child is ended, and started again for the next case.
func TestIdle(t *testing.T) {
	spec := bad("nothing")
	spec.Idle = 50 * time.Millisecond
	h, err := Probe(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(spec, h)
	defer m.Close()
	for range 2 {
		s, err := m.NewSequence(1)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, _ = m.EndCase()
		for i := 0; ; i++ {
			m.mu.Lock()
			gone := m.c == nil
			m.mu.Unlock()
			if gone {
				break
			}
			if i > 400 {
				t.Fatal("the idle child is not ended")
			}
			time.Sleep(25 * time.Millisecond)
		}
	}
}

func python(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		testenv.Missing(t, "python3 is not installed")
	}
	return path
}

func bigram(t *testing.T) Spec {
	return Spec{Command: []string{python(t), filepath.Join("testdata", "bigram.py")}, Start: time.Minute, Request: time.Minute}
}

func TestCheckBigram(t *testing.T) {
	passed := 0
	ok := Check(context.Background(), bigram(t), func(f Finding) {
		t.Logf("%s: %s %s", f.Test, f.Status, f.Detail)
		if f.Status == "ok" {
			passed++
		}
	})
	if !ok || passed < 14 {
		t.Errorf("%d tests passed", passed)
	}
}

// logP is the log-probability that the bigram model gives b after a.
func logP(a, b int) float64 {
	weight := func(b int) (w float64) {
		w = float64(1 + (a*31+b*17)%97)
		if b == (a+1)%256 {
			w += 400
		}
		return w
	}
	sum := 0.0
	for b := range 256 {
		sum += weight(b)
	}
	return math.Log(weight(b) / sum)
}

// The model continues "a" with "bcd", whichever operations the child has.
func TestComplete(t *testing.T) {
	spec := bigram(t)
	h, err := Probe(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	ops := h.ops
	for _, without := range [][]string{nil, {opGenerate}, {opTruncate}, {opGenerate, opTruncate, opFork}, {opTruncate, opFork}} {
		t.Run(strings.Join(without, " "), func(t *testing.T) {
			h.ops = map[string]bool{}
			for op := range ops {
				h.ops[op] = true
			}
			for _, op := range without {
				delete(h.ops, op)
			}
			for _, own := range []bool{true, false} {
				m := New(spec, h, own)
				defer m.Close()
				c, err := runners.CompleterOf(m, tokenizer.Bytes{}, true)
				if err != nil {
					t.Fatal(err)
				}
				stop := func(s string) bool { return strings.HasSuffix(s, "d") }
				group := []runners.Prompt{
					{Text: "xya", Turns: []runners.Turn{{Continuations: []string{"bz", "cd"}, MaxTokens: 8, Done: stop}, {Text: "1", MaxTokens: 2}}},
					{Text: "xyb", Turns: []runners.Turn{{MaxTokens: 3}}},
					{Text: "xyc", Turns: []runners.Turn{{Continuations: []string{"e"}}}},
				}
				got := make([][]runners.Answer, len(group))
				if _, err := c.Complete(context.Background(), group, 0, func(i int, a []runners.Answer) { got[i] = a }); err != nil {
					t.Fatal(err)
				}
				if a := got[0][0]; a.Text != "bcd" || len(a.LogProbs) != 2 ||
					!(math.Abs(a.LogProbs[0]-logP('a', 'b')-logP('b', 'z')) < 1e-5) || !(math.Abs(a.LogProbs[1]-logP('a', 'c')-logP('c', 'd')) < 1e-5) {
					t.Errorf("got %+v", a)
				}
				if a := got[0][1]; a.Text != "23" || a.Tokens != len("xyabcd\n1") {
					t.Errorf("got %+v", a)
				}
				if a := got[1][0]; a.Text != "cde" || a.LogProbs != nil {
					t.Errorf("got %+v", a)
				}
				if a := got[2][0]; a.Text != "" || len(a.LogProbs) != 1 || !(math.Abs(a.LogProbs[0]-logP('c', 'e')) < 1e-5) {
					t.Errorf("got %+v", a)
				}
			}
		})
	}
}

func TestSteps(t *testing.T) {
	spec := bigram(t)
	h, err := Probe(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	m := New(spec, h, false)
	defer m.Close()
	ctx := context.Background()
	m.(runners.Cased).BeginCase(ctx)
	s, err := m.NewSequence(8)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Prefill(ctx, s, []int{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	rows := [][]float32{make([]float32, 256)}
	if err := m.Step(ctx, []runners.Sequence{s}, []int{7}, rows); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, v := range rows[0] {
		sum += math.Exp(float64(v))
	}
	if got := float64(rows[0][8]); !(math.Abs(got-logP(7, 8)) < 1e-5) || !(math.Abs(sum-1) < 1e-4) {
		t.Errorf("the log-probability is %v, the sum of probabilities %v", got, sum)
	}
	if err := m.Prefill(ctx, s, []int{1, 2, 3, 4, 5}); err == nil {
		t.Error("5 tokens fit into a room of 4")
	}
	if err := m.Prefill(ctx, s, []int{256}); err == nil {
		t.Error("a token outside the vocabulary is accepted")
	}
	f, err := s.Fork()
	if err != nil {
		t.Fatal(err)
	}
	var got []float32
	if err := m.Score(ctx, f, []int{1, 2, 9}, func(_ int, lp float32) { got = append(got, lp) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !(math.Abs(float64(got[1])-logP(2, 9)) < 1e-5) || f.Len() != 7 || s.Len() != 4 {
		t.Errorf("scores are %v, lengths %d and %d", got, f.Len(), s.Len())
	}
	if u := m.(runners.Meter).Usage(); u.Weights != 256*256*8 || u.GlobalKV != 11*8 {
		t.Errorf("usage is %+v", u)
	}
	notes, err := m.(runners.Cased).EndCase()
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "prefill") {
		t.Errorf("got %q, %v", notes, err)
	}
}

// A request that is longer than a line is refused, and the child is kept.
func TestLongRequest(t *testing.T) {
	h, err := Probe(context.Background(), bad("nothing"))
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(bad("nothing"), h)
	defer m.Close()
	if _, err := m.NewSequence(1); err != nil {
		t.Fatal(err)
	}
	before := m.c
	text := strings.Repeat("x", maxLine)
	if _, err := m.call(context.Background(), request{Op: opEncode, Text: &text}); err == nil || !strings.Contains(err.Error(), "more than the") {
		t.Errorf("got %v", err)
	}
	if _, err := m.NewSequence(1); err != nil || m.c != before {
		t.Errorf("the child was not kept: %v", err)
	}
}

// failures returns the conformance tests that fail on a Python program.
func failures(t *testing.T, text string) map[string]bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "child.py")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	failed := map[string]bool{}
	Check(context.Background(), Spec{Command: []string{python(t), path}, Start: time.Minute, Request: time.Minute}, func(f Finding) {
		if f.Status == "failed" {
			failed[f.Test] = true
		}
	})
	return failed
}

// Each child breaks one rule that the conformance tests check.
func TestCheckFinds(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("testdata", "bigram.py"))
	if err != nil {
		t.Fatal(err)
	}
	// whole is a child whose steps depend on the whole sequence, not on its last token alone.
	whole := strings.Replace(string(source), `best(t, r["top"]) for t in r["tokens"]`, `best(rank(s), r["top"]) for s in r["seqs"]`, 1)
	whole = strings.Replace(whole, "def known", "def rank(s): return sum(i * t for i, t in enumerate(seqs[s])) % V\ndef known", 1)
	plain := string(source)
	if f := failures(t, whole); f["fork"] || f["truncate"] || f["batch of two equals singles"] {
		t.Errorf("tests of a correct child failed: %v", f)
	}
	if f := failures(t, strings.Replace(plain, `"device"`, `"context": 1, "device"`, 1)); len(f) > 0 {
		t.Errorf("tests of a child with a context of one token failed: %v", f)
	}
	for _, b := range []struct{ source, from, to, test string }{
		{whole, `seqs[r["seq"]] = list(seqs[r["from"]])`, `seqs[r["seq"]] = seqs[r["from"]]`, "fork"},
		{whole, `seqs[r["seq"]] = list(seqs[r["from"]])`, `seqs[r["seq"]] = list(seqs[r["from"]])[1:]`, "fork"},
		{whole, `del seqs[r["seq"]][r["length"]:]`, `del seqs[r["seq"]][r["length"] + 1:]`, "truncate"},
		{plain, `LOGP[a][b] for a, b in zip`, `LOGP[a][b] - 0.01 for a, b in zip`, "score equals prefill and step"},
		{plain, `raise LookupError("a token`, `print("a token`, "token outside the vocabulary"},
		{plain, `s += out[:-1]; return {"tokens": out}`, `s += out[:-1]; return {"tokens": out[:1]}`, "generate equals steps"},
		{whole, `for s in r["seqs"]]}`, `for s in r["seqs"][::-1]]}`, "batch of two equals singles"},
		{plain, `.decode(errors="replace")`, `.decode().upper()`, "encode and decode"},
		{plain, `if r["op"] == "bye": break`, `if r["op"] == "bye": sys.exit(7)`, "bye"},
		{plain, `"weights": V * V * 8`, `"weights": None`, "usage"},
		{plain, `(time.perf_counter() - begin) * 1000`, `1e6`, "times"},
		{plain, `"vocab": V`, `"vocab": 0`, "hello"},
		{plain, `def new(r): seqs`, `def new(r): seqs[r["seq"]] = 1 / (r["capacity"] - 1); seqs`, "capacity of one token"},
	} {
		t.Run(b.from, func(t *testing.T) {
			text := strings.Replace(b.source, b.from, b.to, 1)
			if text == b.source {
				t.Fatal("nothing was replaced")
			}
			failed := failures(t, text)
			if !failed[b.test] {
				t.Errorf("failed: %v, expected %q among them", failed, b.test)
			}
		})
	}
}

// TestTimes refuses times of generated tokens that are none.
func TestTimes(t *testing.T) {
	for times, ok := range map[string]bool{"[1,0]": true, "[]": true, "[1]": false, "[1,-1]": false} {
		a, err := parseAnswer([]byte(`{"id":1,"ok":true,"tokens":[1,2],"times":`+times+"}"), 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.generated(&Hello{Vocab: 4}, 2, nil); (err == nil) != ok {
			t.Errorf("times %s: %v", times, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, b := range misbehaviours {
		f.Add([]byte(strings.ReplaceAll(b.reply, "ID", "1")))
	}
	f.Add([]byte(`{"id":1,"ok":true,"protocol":1,"name":"m","vocab":4,"context":8,"bos":1,"eos":[2,3],"ops":["encode","decode"],"device":"cpu"}`))
	f.Add([]byte(`{"id":1,"ok":true,"top":[[[1,-0.1]]],"logprobs":[-1,null],"tokens":[1,2],"times":[1,2]}` + "\n{}"))
	h := &Hello{Vocab: 4}
	f.Fuzz(func(t *testing.T, data []byte) {
		line, err := readLine(bufio.NewReaderSize(strings.NewReader(string(data)), 16), 1<<10)
		if err != nil {
			if len(data) > 0 && data[len(data)-1] == '\n' && len(data) < 1<<10 {
				t.Fatalf("a short line is refused: %v", err)
			}
			line = data
		}
		a, err := parseAnswer(line, 1)
		if err != nil {
			if len(err.Error()) > 4000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if h, err := a.hello(); err == nil && (h.Vocab < 1 || h.Name == "" || h.check("", h.EOS) != nil) {
			t.Errorf("accepted %+v", h)
		}
		if tops, err := a.tops(h, 1, 1); err == nil {
			if c := tops[0][0]; c.token < 0 || c.token >= 4 || !(c.logProb <= 0) {
				t.Errorf("accepted %+v", c)
			}
		}
		if lps, err := a.scores(2); err == nil && !(lps[0] <= 0 && lps[1] <= 0) {
			t.Errorf("accepted %v", lps)
		}
		if ids, err := a.generated(h, 2, []int{3}); err == nil && (h.check("", ids) != nil || len(ids) > 2) {
			t.Errorf("accepted %v", ids)
		}
	})
}
