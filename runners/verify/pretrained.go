package verify

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
	"github.com/yocobench/yocobench/runners/pretrained"
)

// openPretrained opens a folder of Hugging Face or a GGUF file, with expected logits in the file
// expect. If expect is empty, they are in expect.safetensors of the folder, or of the folder with
// the GGUF file's name.
func openPretrained(path, expect string) (*fixture, error) {
	if expect == "" {
		folder := path
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			folder, _ = gguf.CutExt(path)
		}
		expect = filepath.Join(folder, "expect.safetensors")
	}
	m, err := pretrained.Open(path)
	if err != nil {
		return nil, err
	}
	f := &fixture{config: m.Config(), weights: m, pretrained: true}
	if f.expect, err = checkpoint.OpenFile(expect); err == nil {
		err = f.readLogits()
	}
	if err != nil {
		f.close() //nolint:errcheck // the first error is reported
		return nil, err
	}
	return f, nil
}

// readLogits reads tokens [n] and logits [n, vocab], or those [n/2, vocab] after every second
// token, the first of which is token 1.
func (f *fixture) readLogits() error {
	ids, err := f.expect.Ints("tokens")
	if err != nil {
		return err
	}
	if err := runners.CheckTokens(f.config, ids); err != nil {
		return fmt.Errorf("%s: tokens: %w", f.expect.Source(), err)
	}
	stored, err := f.expect.Get("logits")
	if err != nil {
		return err
	}
	n, v := len(ids), f.config.Vocab
	every := 1
	if n > 1 && slices.Equal(stored.Shape, []int{n / 2, v}) {
		every = 2
	} else if n < 1 || !slices.Equal(stored.Shape, []int{n, v}) {
		return fmt.Errorf("%s: logits have shape %v for %d tokens, want [%d %d], or [%d %d] after every second token", f.expect.Source(), stored.Shape, n, n, v, n/2, v)
	}
	rows := checkpoint.Float32s(stored)
	logits := tensor{shape: []int{n, v}, data: make([]float32, n*v), absent: make([]bool, n)}
	nll := tensor{shape: []int{n - 1}, data: make([]float32, n-1), absent: make([]bool, n-1)}
	for i := range n {
		logits.absent[i] = (i+1)%every != 0
		if i < n-1 {
			nll.absent[i] = logits.absent[i]
		}
		if logits.absent[i] {
			continue
		}
		row := rows[i/every*v:][:v]
		copy(logits.data[i*v:], row)
		if i < n-1 {
			nll.data[i] = float32(negLogProb(row, ids[i+1]))
		}
	}
	f.texts = []text{{prefix: fmt.Sprintf("t%d", n), ids: ids, given: map[string]tensor{"logits": logits, "nll": nll}}}
	return nil
}

// negLogProb returns the negative log-probability of a token.
func negLogProb(logits []float32, token int) float64 {
	most := slices.Max(logits)
	sum := 0.0
	for _, x := range logits {
		sum += math.Exp(float64(x) - float64(most))
	}
	return math.Log(sum) + float64(most) - float64(logits[token])
}

// Config reads the config of a fixture: of this module's folders, of a folder of Hugging Face, or
// of a GGUF file.
func Config(path string) (runners.Config, error) {
	if !pretrained.IsPath(path) {
		return checkpoint.ReadConfig(path)
	}
	m, err := pretrained.Open(path)
	if err != nil {
		return runners.Config{}, err
	}
	return m.Config(), m.Close()
}
