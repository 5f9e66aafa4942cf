package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/yocobench/yocobench/runners"
)

// fingerprintWhole is the size in bytes up to which every byte of a model's
// weights is hashed. Of larger models it is the first and last fingerprintPart
// bytes of each tensor, so that a paper-size checkpoint opens in seconds.
const (
	fingerprintWhole = 256 << 20
	fingerprintPart  = 64 << 10
)

// Fingerprint names weights by their content: names, types, shapes and bytes.
func Fingerprint(c runners.Config, w runners.Weights) (string, error) {
	total, _ := c.Count()
	whole := total*4 <= fingerprintWhole
	h := sha256.New()
	for _, p := range c.Parameters() {
		t, err := w.Tensor(p)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %s %v %d\n", t.Name, t.DType, t.Shape, len(t.Data))
		if whole || len(t.Data) <= 2*fingerprintPart {
			h.Write(t.Data)
			continue
		}
		h.Write(t.Data[:fingerprintPart])
		h.Write(t.Data[len(t.Data)-fingerprintPart:])
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)[:16]), nil
}
