package runners

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Profile describes a machine by its peak rates, and the fractions of them that software is assumed
// to reach.
type Profile struct {
	// Name identifies the profile in suites, such as "h100-sxm"; Kind is "gpu" or "cpu".
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Peak is the dense matrix throughput in FLOP/s, by the type of the weights.
	Peak map[DType]float64 `json:"peak"`
	// Bandwidth is the memory's bandwidth in bytes/s, Memory its size in bytes.
	Bandwidth float64 `json:"bandwidth"`
	Memory    int64   `json:"memory"`
	// Watts is the board's power limit (TDP), 0 if its maker does not publish one.
	Watts float64 `json:"watts,omitempty"`
	// Source says where the figures are published, or how they were measured.
	Source string `json:"source"`
	// Efficiency holds the fractions that Seconds applies to the peaks.
	Efficiency Efficiency `json:"efficiency"`
}

// Efficiency is the fraction of a machine's peaks that software is assumed to reach, each in 0..1.
type Efficiency struct {
	Compute   float64 `json:"compute"`
	Bandwidth float64 `json:"bandwidth"`
	// Source says where the fractions come from.
	Source string `json:"source"`
}

// Limit makes Seconds return the time at the peak rates.
var Limit = Efficiency{Compute: 1, Bandwidth: 1, Source: "the peaks themselves"}

// Assumed is the efficiency assumed for the published profiles.
var Assumed = Efficiency{Compute: 0.5, Bandwidth: 0.85,
	Source: "assumed: half of peak FLOP/s (on an H100, bf16, head dim 128: FlashAttention-2 reaches .34, FlashAttention-3 .62, cuBLAS .81) and .85 of peak bandwidth (the best public decode kernels reach .78 to .94)"}

// Seconds returns the time of the work by the roofline model: the sum over all parts of the longer
// of computing and moving bytes,
//
//	sum over parts of max(FLOPs / (Peak x Compute), (Read+Write) / (Bandwidth x Efficiency.Bandwidth))
//
// where d, the type of the weights, selects the peak. A type without its own peak is computed as
// float32.
func (p Profile) Seconds(w Work, d DType) float64 {
	peak := p.PeakOf(d) * p.Efficiency.Compute
	bandwidth := p.Bandwidth * p.Efficiency.Bandwidth
	sum := 0.0
	for _, part := range Parts() {
		c := w.Part(part)
		if c == (Cost{}) {
			continue
		}
		sum += math.Max(c.FLOPs/peak, c.Bytes()/bandwidth)
	}
	return sum
}

// LimitSeconds returns the time of the work at the machine's peaks.
func (p Profile) LimitSeconds(w Work, d DType) float64 {
	p.Efficiency = Limit
	return p.Seconds(w, d)
}

// PeakOf returns the FLOP/s for weights of type d.
func (p Profile) PeakOf(d DType) float64 {
	if d == Stored {
		d = BF16 // prompts are computed in bfloat16
	}
	if f, ok := p.Peak[d]; ok {
		return f
	}
	return p.Peak[F32]
}

// Validate returns the first reason why the profile's times would be meaningless.
func (p Profile) Validate() error {
	for _, f := range []struct {
		name string
		v    float64
		most float64
	}{
		{"peak FLOP/s", p.Peak[F32], math.MaxFloat64},
		{"memory bandwidth", p.Bandwidth, math.MaxFloat64},
		{"compute efficiency", p.Efficiency.Compute, 1},
		{"bandwidth efficiency", p.Efficiency.Bandwidth, 1},
	} {
		if !(f.v > 0 && f.v <= f.most) {
			return fmt.Errorf("device profile %q: %s is %g", p.Name, f.name, f.v)
		}
	}
	for d, f := range p.Peak {
		if !(f > 0 && f <= math.MaxFloat64) {
			return fmt.Errorf("device profile %q: peak FLOP/s of %s is %g", p.Name, d, f)
		}
	}
	if p.Memory < 1 {
		return fmt.Errorf("device profile %q: memory is %d bytes", p.Name, p.Memory)
	}
	return nil
}

// Profiles lists the machines whose limits are published. Peaks are dense (no structured sparsity),
// with float32 accumulation; memory sizes are decimal GB as the maker states them.
func Profiles() []Profile {
	const tera = 1e12
	peak := func(f32, half float64) map[DType]float64 {
		return map[DType]float64{F32: f32 * tera, BF16: half * tera, F16: half * tera}
	}
	return []Profile{
		{"h100-sxm", "gpu", peak(67, 989), 3.35 * tera, 80e9, 700, "NVIDIA H100 datasheet, SXM5 80 GB", Assumed},
		{"h200", "gpu", peak(67, 989), 4.8 * tera, 141e9, 700, "NVIDIA H200 datasheet, SXM", Assumed},
		{"h20", "gpu", peak(44, 148), 4 * tera, 96e9, 400, "NVIDIA H20 datasheet, SXM", Assumed},
		{"b200", "gpu", peak(75, 2250), 8 * tera, 180e9, 1000, "NVIDIA DGX B200 datasheet, an eighth", Assumed},
		{"gb200", "gpu", peak(80, 2500), 8 * tera, 186e9, 1200, "NVIDIA GB200 NVL72 datasheet, one GPU", Assumed},
		{"a100-80gb", "gpu", peak(19.5, 312), 2.039 * tera, 80e9, 400, "NVIDIA A100 80GB datasheet, SXM4", Assumed},
		{"l40s", "gpu", peak(91.6, 362), 0.864 * tera, 48e9, 350, "NVIDIA L40S datasheet", Assumed},
		{"a10", "gpu", peak(31.2, 125), 0.6 * tera, 24e9, 150, "NVIDIA A10 datasheet", Assumed},
		{"rtx-5090", "gpu", peak(104.8, 209.5), 1.792 * tera, 32e9, 575, "NVIDIA RTX Blackwell GPU architecture whitepaper, appendix A", Assumed},
		{"rtx-4090", "gpu", peak(82.6, 165.2), 1.008 * tera, 24e9, 450, "NVIDIA Ada GPU architecture whitepaper, appendix A", Assumed},
		{"mi300x", "gpu", peak(163.4, 1307.4), 5.3 * tera, 192e9, 750, "AMD Instinct MI300X datasheet", Assumed},
		{"mi355x", "gpu", peak(157.3, 2516.6), 8 * tera, 288e9, 1400, "AMD Instinct MI355X datasheet", Assumed},
		// Apple publishes FLOP/s for some chips only; half precision runs at the float32 rate.
		{"apple-m1-max", "gpu", peak(10.4, 10.4), 0.4 * tera, 64e9, 0, "Apple newsroom, 18 October 2021 (largest memory)", Assumed},
		{"apple-m1-ultra", "gpu", peak(21, 21), 0.8 * tera, 128e9, 0, "Apple newsroom, 8 March 2022 (largest memory)", Assumed},
		{"apple-m2", "gpu", peak(3.6, 3.6), 0.1 * tera, 24e9, 0, "Apple newsroom, 6 June 2022 (largest memory)", Assumed},
	}
}

// ProfileOf returns the profile of the GPU with the name that its driver reports, if its datasheet
// is known.
func ProfileOf(gpu string) (Profile, bool) {
	name := map[string]string{"NVIDIA H100 80GB HBM3": "h100-sxm", "NVIDIA H200": "h200",
		"NVIDIA A100-SXM4-80GB": "a100-80gb", "NVIDIA GeForce RTX 4090": "rtx-4090"}[gpu]
	p, err := FindProfile(name)
	return p, err == nil
}

// FindProfile returns the profile of a name. NAME@COMPUTE/BANDWIDTH replaces the assumed
// efficiencies, as in "h100-sxm@0.26/0.5"; records keep that as the device's name. A name that is a
// JSON object describes a custom device: {"name": "x", "peak": {"bf16": 4e14}, "bandwidth": 2e12,
// "memory": 64e9}, with the fields of Profile; name, efficiency and the peak of f32 are optional.
func FindProfile(name string) (Profile, error) {
	if strings.HasPrefix(strings.TrimSpace(name), "{") {
		return parseProfile(name)
	}
	base, fractions, given := strings.Cut(name, "@")
	var known []string
	for _, p := range Profiles() {
		known = append(known, p.Name)
		if p.Name != base {
			continue
		}
		if given {
			compute, bandwidth, _ := strings.Cut(fractions, "/")
			e, err := parseEfficiency(compute, bandwidth)
			if err != nil {
				return Profile{}, fmt.Errorf("device %q: %w", name, err)
			}
			p.Name, p.Efficiency = name, e
		}
		return p, nil
	}
	return Profile{}, fmt.Errorf("unknown device %q (known: %s)", base, strings.Join(known, ", "))
}

// parseProfile reads a profile from JSON.
func parseProfile(text string) (Profile, error) {
	var in struct {
		Profile
		Memory     float64     `json:"memory"` // encoding/json does not accept 80e9 as an integer
		Efficiency *Efficiency `json:"efficiency"`
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil || d.More() {
		return Profile{}, fmt.Errorf("device %s: %w", text, cmp.Or(err, errors.New("text after the JSON object")))
	}
	p := in.Profile
	p.Efficiency = Assumed
	if in.Efficiency != nil {
		p.Efficiency = *in.Efficiency
	}
	if !(in.Memory >= 1 && in.Memory <= 1<<60) || in.Memory != math.Trunc(in.Memory) {
		return Profile{}, fmt.Errorf("device %s: memory is %g bytes, want a whole number from 1", text, in.Memory)
	}
	p.Memory = int64(in.Memory)
	p.Name, p.Kind = cmp.Or(p.Name, "custom"), cmp.Or(p.Kind, "gpu")
	p.Source = cmp.Or(p.Source, "given by the user")
	if p.Peak[F32] == 0 { // float32 is no faster than 16 bits
		for _, t := range []DType{BF16, F16} {
			if f := p.Peak[t]; f > 0 {
				p.Peak[F32] = f
				break
			}
		}
	}
	if !(p.Watts >= 0) || p.Watts > 1e6 {
		return Profile{}, fmt.Errorf("device %s: watts is %g", text, p.Watts)
	}
	if err := p.Validate(); err != nil {
		return Profile{}, err
	}
	return p, nil
}

func parseEfficiency(compute, bandwidth string) (Efficiency, error) {
	c, errC := strconv.ParseFloat(compute, 64)
	b, errB := strconv.ParseFloat(bandwidth, 64)
	if errC != nil || errB != nil || !(c > 0 && c <= 1 && b > 0 && b <= 1) {
		return Efficiency{}, fmt.Errorf("efficiencies %q, want two fractions above 0 and at most 1, as in h100-sxm@0.5/0.85", compute+"/"+bandwidth)
	}
	return Efficiency{Compute: c, Bandwidth: b, Source: "given with the device's name"}, nil
}

// ThisMachine returns the profile of this machine from measured peaks: gflops in 1e9 FLOP/s,
// reached by the matrix kernels in use, for every type of weights unless the caller adds peaks of
// other types; gbps in 1e9 bytes/s read; memory in bytes. These peaks are already reached by
// software, so the efficiencies are 1.
func ThisMachine(gflops, gbps float64, memory int64) Profile {
	return Profile{
		Name: "this-machine", Kind: "cpu",
		Peak:      map[DType]float64{F32: gflops * 1e9},
		Bandwidth: gbps * 1e9, Memory: memory,
		Source:     "measured on this machine",
		Efficiency: Limit,
	}
}
