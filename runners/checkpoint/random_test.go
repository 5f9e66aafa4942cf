package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// The bits of random weights are guaranteed, so that results of a seed are reproducible. These
// hashes must never change.
func TestRandomIsTheSameEverywhere(t *testing.T) {
	p := runners.TensorSpec{Name: "self_decoder.layers.0.ffn.fc1.weight", Shape: []int{7, 33}}
	for _, tt := range []struct {
		seed  uint64
		dtype runners.DType
		want  string
	}{
		{1, runners.F32, "d74bb5dc9d2d"},
		{1, runners.BF16, "ca309bce060d"},
		{1, runners.F16, "1f79d1f4bdcf"},
		{2, runners.F32, "801543ab5fec"},
	} {
		got, err := Random(runners.Config{}, tt.seed, tt.dtype).Tensor(p)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(Encode(Float32s(got), tt.dtype))
		if h := hex.EncodeToString(sum[:6]); h != tt.want {
			t.Errorf("seed %d as %s: hash %s, want %s", tt.seed, tt.dtype, h, tt.want)
		}
	}
}

// Reading from any index and in any number of values gives the same values, and does not allocate.
func TestValuesFromAnywhere(t *testing.T) {
	double := make([]byte, 8*1001)
	for i := range 1001 {
		binary.LittleEndian.PutUint64(double[8*i:], math.Float64bits(float64(i)/3))
	}
	tensors := []runners.Tensor{{DType: runners.F32, Shape: []int{7, 143}, Values: doubles(double)}}
	for _, dtype := range []runners.DType{runners.F32, runners.BF16, runners.F16} {
		for _, shape := range [][]int{{7, 143}, {1001}} {
			x, err := Random(runners.Config{}, 3, dtype).Tensor(runners.TensorSpec{Name: "a.weight", Shape: shape})
			if err != nil {
				t.Fatal(err)
			}
			tensors = append(tensors, x)
		}
	}
	for _, x := range tensors {
		want := Float32s(x)
		if got := Float32s(runners.Tensor{DType: x.DType, Shape: x.Shape, Data: Encode(want, x.DType)}); !slices.Equal(got, want) {
			t.Errorf("%s %v: the values are not representable in the type", x.DType, x.Shape)
		}
		for _, from := range []int{0, 1, 2, 499, 1000} {
			for _, n := range []int{1, 2, 3, 255, 1001} {
				got := make([]float32, min(n, 1001-from))
				if a := testing.AllocsPerRun(1, func() { x.Decode(got, from) }); a > 0 {
					t.Errorf("%s %v: reading allocates", x.DType, x.Shape)
				}
				if !slices.Equal(got, want[from:from+len(got)]) {
					t.Errorf("%s %v: %d values from %d on differ", x.DType, x.Shape, n, from)
				}
			}
		}
	}
}

func TestRandomStatistics(t *testing.T) {
	y, err := runners.Preset("yoco-gret-160m")
	if err != nil {
		t.Fatal(err)
	}
	x, err := runners.Preset("transformer-160m")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		config runners.Config
		param  runners.TensorSpec
		std    float64
	}{
		{y, runners.TensorSpec{Name: "embed_tokens.weight", Shape: []int{1000, 768}}, 1 / math.Sqrt(768)},
		{x, runners.TensorSpec{Name: "tok_embeddings.weight", Shape: []int{1000, 768}}, 1},
		{x, runners.TensorSpec{Name: "layers.3.feed_forward.w2.weight", Shape: []int{768, 2048}}, 1 / math.Sqrt(2048)},
	} {
		w := Random(tt.config, 1, runners.F32)
		tensor, err := w.Tensor(tt.param)
		if err != nil {
			t.Fatal(err)
		}
		var sum, squares, lag float64
		xs := Float32s(tensor)
		for i, x := range xs {
			sum += float64(x)
			squares += float64(x) * float64(x)
			if i > 0 {
				lag += float64(x) * float64(xs[i-1])
			}
			if math.Abs(float64(x)) > math.Sqrt(3)*tt.std*1.000001 || x == 0 {
				t.Fatalf("%s: value %g", tt.param.Name, x)
			}
		}
		n := float64(len(xs))
		mean, std, corr := sum/n, math.Sqrt(squares/n), lag/squares
		if math.Abs(mean) > 4*tt.std/math.Sqrt(n) || math.Abs(std/tt.std-1) > .005 || math.Abs(corr) > 4/math.Sqrt(n) {
			t.Errorf("%s: mean %g, standard deviation %g, neighbours correlate %g; want 0, %g, 0", tt.param.Name, mean, std, corr, tt.std)
		}
	}
	norm, err := Random(y, 1, runners.BF16).Tensor(runners.TensorSpec{Name: "layer_norm.weight", Shape: []int{5}})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range Float32s(norm) {
		if x != 1 {
			t.Errorf("a norm's weight is %g, want 1", x)
		}
	}
}

// Another name, seed or type must give different values.
func TestRandomTensorsDiffer(t *testing.T) {
	shape := []int{4, 4}
	seen := map[string]string{}
	for _, name := range []string{"a.weight", "b.weight"} {
		for seed := range uint64(3) {
			got, err := Random(runners.Config{}, seed, runners.F32).Tensor(runners.TensorSpec{Name: name, Shape: shape})
			if err != nil {
				t.Fatal(err)
			}
			if other := seen[string(Encode(Float32s(got), got.DType))]; other != "" {
				t.Errorf("%s with seed %d has the values of %s", name, seed, other)
			}
			seen[string(Encode(Float32s(got), got.DType))] = name
		}
	}
	for _, shape := range [][]int{{0}, {-1, 2}, {1 << 30, 1 << 30}, {1 << 30, 1 << 30, 1 << 30}, {}, {1, 1, 1}} {
		if _, err := Random(runners.Config{}, 1, runners.F32).Tensor(runners.TensorSpec{Name: "a", Shape: shape}); err == nil {
			t.Errorf("a random tensor of shape %v", shape)
		}
	}
}

func BenchmarkRandom(b *testing.B) {
	p := runners.TensorSpec{Name: "output.weight", Shape: []int{1024, 1024}}
	for _, dtype := range []runners.DType{runners.F32, runners.BF16, runners.F16} {
		b.Run(dtype.String(), func(b *testing.B) {
			w := Random(runners.Config{}, 1, dtype)
			for b.Loop() {
				if _, err := w.Tensor(p); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(p.Elements())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
}
