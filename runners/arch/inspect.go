package arch

import (
	"context"
	"errors"
	"fmt"

	"github.com/yocobench/yocobench/runners"
)

// Inspect implements runners.Inspector. The names are those of the reference
// fixtures; all tokens go through in one pass, whatever the chunk length.
func (m *Model) Inspect(ctx context.Context, rs runners.Sequence, tokens []int, emit func(name string, shape []int, data []float32)) error {
	if err := m.checks(rs, tokens); err != nil {
		return err
	}
	s := rs.(*sequence)
	if s.length != 0 || len(tokens) == 0 {
		return errors.New("inspect needs an empty sequence and at least one token")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.begin(s, 0, tokens); err != nil {
		return err
	}
	if err := m.reserveLogits(len(tokens)); err != nil {
		return err
	}
	var failed error
	show := func(name string, mat runners.Mat, shape ...int) {
		data, err := m.read(mat, len(tokens))
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
			return
		}
		emit(name, shape, data)
	}
	m.b.trace = show
	m.net.forward(&m.b)
	m.b.trace = nil
	n := len(tokens)
	m.head(n)
	show("final_norm", runners.All(m.ws.y), n, m.cfg.Dim)
	show("logits", runners.All(m.logits), n, m.cfg.Vocab)
	if n > 1 {
		_, output := m.net.head()
		nll := make([]float32, n-1)
		if err := m.ops.LogProbs(runners.All(m.ws.y), output, tokens[1:], nll); err != nil {
			return err
		}
		for i := range nll {
			nll[i] = -nll[i]
		}
		emit("nll", []int{n - 1}, nll)
	}
	s.append(tokens)
	return errors.Join(failed, m.ops.Sync(), m.inspectCaches(s, emit))
}

// inspectCaches emits what the sequence holds.
func (m *Model) inspectCaches(s *sequence, emit func(name string, shape []int, data []float32)) error {
	n, c := s.length, m.cfg
	if c.Arch.IsYOCO() {
		k, v, err := s.caches.global[0].Read(0, n)
		if err != nil {
			return fmt.Errorf("khat: %w", err)
		}
		emit("khat", []int{n, c.KVHeads, c.HeadDim}, k)
		emit("vhat", []int{n, c.KVHeads, c.HeadDim}, v)
	}
	for i, st := range s.caches.state {
		data, err := st.Read()
		if err != nil {
			return fmt.Errorf("gret_state.%d: %w", i, err)
		}
		emit(fmt.Sprintf("gret_state.%d", i), []int{c.SelfHeads, c.SelfHeadDim(), c.SelfHeadDim()}, data)
	}
	for i, kv := range s.caches.window {
		w := min(c.Window, n)
		k, v, err := kv.Read(n-w, w)
		if err != nil {
			return fmt.Errorf("swa cache %d: %w", i, err)
		}
		emit(fmt.Sprintf("swa_key.%d", i), []int{w, c.SelfHeads, c.SelfHeadDim()}, k)
		emit(fmt.Sprintf("swa_value.%d", i), []int{w, c.SelfHeads, c.SelfHeadDim()}, v)
	}
	return nil
}

// read copies rows of a Mat to the host as one slice.
func (m *Model) read(mat runners.Mat, rows int) ([]float32, error) {
	data := make([]float32, rows*mat.Cols)
	dst := make([][]float32, rows)
	for r := range dst {
		dst[r] = data[r*mat.Cols : (r+1)*mat.Cols]
	}
	return data, m.ops.Read(mat, dst)
}
