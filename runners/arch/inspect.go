package arch

import (
	"context"
	"errors"
	"fmt"

	"github.com/yocobench/yocobench/runners"
)

// Inspect implements runners.Inspector. The names are those of the reference fixtures. All tokens
// are processed in one pass, whatever the chunk length.
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
		nll := make([]float32, n-1)
		if err := m.ops.LogProbs(runners.All(m.ws.y), m.net.output, m.net.logitCap, tokens[1:], nll); err != nil {
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

// inspectCaches emits the caches of a sequence: shared keys and values, states and windows, each
// kind numbered separately. The first shared cache has no number.
func (m *Model) inspectCaches(s *sequence, emit func(name string, shape []int, data []float32)) error {
	states, windows, shared := 0, 0, 0
	for i, l := range m.cfg.Layers {
		mix := l.Mixer
		switch {
		case mix.Kind == runners.KeysValues:
			key, value := numbered("khat", shared), numbered("vhat", shared)
			if err := inspectKV(s.caches.kv[i], mix, 0, s.length, key, value, emit); err != nil {
				return err
			}
			shared++
		case mix.Kind == runners.Retention:
			name := fmt.Sprintf("gret_state.%d", states)
			data, err := s.caches.state[i].Read()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			emit(name, []int{mix.Heads, mix.HeadDim, mix.HeadDim}, data)
			states++
		case mix.Window > 0:
			w := min(mix.Window, s.length)
			key, value := fmt.Sprintf("swa_key.%d", windows), fmt.Sprintf("swa_value.%d", windows)
			if err := inspectKV(s.caches.kv[i], mix, s.length-w, w, key, value, emit); err != nil {
				return err
			}
			windows++
		}
	}
	return nil
}

// numbered returns the name of the n-th tensor of a kind that usually has only one.
func numbered(name string, n int) string {
	if n == 0 {
		return name
	}
	return fmt.Sprintf("%s.%d", name, n)
}

// inspectKV emits the keys and values of n positions.
func inspectKV(kv runners.KV, m runners.Mixer, from, n int, key, value string, emit func(name string, shape []int, data []float32)) error {
	k, v, err := kv.Read(from, n)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	shape := []int{n, m.KVHeads, m.HeadDim}
	emit(key, shape, k)
	emit(value, shape, v)
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
