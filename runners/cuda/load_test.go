//go:build cuda

package cuda

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	kernels "github.com/yocobench/yocobench/kernels/cuda"
	"github.com/yocobench/yocobench/runners"
)

// TestLoad: a kernel's cubin is tried first, and its PTX is used if the driver rejects the cubin,
// as the simulated driver does.
func TestLoad(t *testing.T) {
	onSimulator(t)
	for _, c := range []struct {
		tier   string
		cubins bool
	}{{"sm_80", false}, {"", true}} {
		before := sim.Get("cubins")
		opts := runners.Options{Weights: runners.BF16, Tier: c.tier}
		l, err := Load(opts, 0)
		if err != nil || l.Kernels < 80 || l.Cubins != 0 || len(l.Spills) != 0 || l.String() != "PTX compiled by the driver" {
			t.Errorf("%s: %+v, %v", c.tier, l, err)
		}
		want := 0
		if c.cubins {
			want = l.Kernels
		}
		if n := sim.Get("cubins") - before; n != want {
			t.Errorf("%s: %d cubins were tried first, want %d", c.tier, n, want)
		}
		if l, err := Load(opts, 1); err != nil || l.Kernels != 1 {
			t.Errorf("one kernel: %+v, %v", l, err)
		}
	}
	sim.Set("local", 24)
	defer sim.Set("local", 0)
	if l, err := Load(runners.Options{Weights: runners.F32}, 2); err != nil || len(l.Spills) != 2 || !strings.Contains(l.Spills[0], "(24 bytes)") {
		t.Errorf("kernels that spill: %+v, %v", l, err)
	}
}

// TestImages: the embedded PTX and cubins are those of the manifest, which also has the hash of
// their sources, and each cubin contains its kernel.
func TestImages(t *testing.T) {
	data, err := os.ReadFile("../../kernels/cuda/kernels.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Kernels []struct{ Name, Build, Target, Source, PTX, Cubin string }
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	type key struct{ build, target, name string }
	all := map[key]*kernels.Kernel{}
	for _, build := range []string{"f32", "bf16"} {
		for _, target := range kernels.Targets() {
			set, err := kernels.Choose(build, target)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range set.All() {
				all[key{build, target, k.Name}] = k
			}
		}
	}
	if len(manifest.Kernels) != len(all) {
		t.Errorf("%d kernels in the manifest, %d in the table", len(manifest.Kernels), len(all))
	}
	hash := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return hex.EncodeToString(h[:])
	}
	for _, r := range manifest.Kernels {
		k := all[key{r.Build, r.Target, r.Name}]
		if k == nil {
			t.Errorf("no kernel %s for %s in the table", r.Name, r.Target)
			continue
		}
		text, err := k.PTX()
		if err != nil || hash(text) != r.PTX || r.Source == "" {
			t.Errorf("%s is not the PTX of the manifest: %v", k.File, err)
		}
		if want := r.Target == "sm_90a"; (k.Cubin != "") != want || (r.Cubin != "") != want {
			t.Errorf("%s for %s: cubin %q, %q in the manifest", r.Name, r.Target, k.Cubin, r.Cubin)
			continue
		}
		if k.Cubin == "" {
			continue
		}
		image, err := k.CubinImage()
		if err != nil || hash(image) != r.Cubin || !strings.HasPrefix(image, "\x7fELF") || !bytes.Contains([]byte(image), []byte(".text."+r.Name+"\x00")) {
			t.Errorf("%s is not the cubin of the manifest: %v", k.Cubin, err)
		}
	}
}
