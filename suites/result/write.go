package result

import (
	"bytes"

	"github.com/yocobench/yocobench/internal/safefile"
)

// WriteFile atomically writes a journal: its headers, then its records.
func WriteFile(path string, j *Journal) error {
	var b bytes.Buffer
	add := func(v any) error {
		line, err := Encode(v)
		b.Write(line)
		return err
	}
	for _, h := range j.Runs {
		if err := add(h); err != nil {
			return err
		}
	}
	for _, r := range j.Records {
		if err := add(r); err != nil {
			return err
		}
	}
	return safefile.WriteBytes(path, b.Bytes())
}
