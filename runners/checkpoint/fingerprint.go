package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/yocobench/yocobench/runners"
)

// fingerprintWhole is the size in bytes up to which all weights are hashed. Of a larger model only
// the first and last fingerprintPart bytes of each tensor are hashed, so a paper-size checkpoint
// opens in seconds.
const (
	fingerprintWhole = 256 << 20
	fingerprintPart  = 64 << 10
)

// Fingerprint returns a hash of the content of weights: names, types, shapes and bytes.
func Fingerprint(c runners.Config, w runners.Weights) (string, error) {
	total, _ := c.Count()
	whole := total*4 <= fingerprintWhole
	h := sha256.New()
	for _, p := range c.Parameters() {
		t, err := w.Tensor(p)
		if err != nil {
			return "", err
		}
		n, size := t.Len(), int64(t.DType.Size())
		fmt.Fprintf(h, "%s %s %v %d\n", t.Name, t.DType, t.Shape, n*size)
		hash := func(b []byte) error { _, err := h.Write(b); return err }
		part := fingerprintPart / size
		if whole || n <= 2*part {
			part = n
		}
		err = stored(t, t.DType, 0, part, hash)
		if err == nil && part < n {
			err = stored(t, t.DType, n-part, n, hash)
		}
		if err != nil {
			return "", err
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)[:16]), nil
}
