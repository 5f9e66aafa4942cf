package quality

import (
	"testing"

	"gopkg.in/yaml.v3"
)

func FuzzParams(f *testing.F) {
	f.Add("lengths: [1Ki, 4Ki]\nsamples: {1Ki: 20, 4Ki: 5}\nkinds: [shared, sep*]\nwording: old")
	f.Add("data: {lines: x.jsonl}\nanswer_prefix: false\nchat: {system: Hello}")
	f.Add("adaptive: 50\nlengths: {from: 1Ki, to: 64Ki}\nhaystack: go")
	f.Fuzz(func(t *testing.T, text string) {
		p := defaults()
		if yaml.Unmarshal([]byte(text), p) != nil || p.check(&fakeFamily) != nil {
			return
		}
		kinds, err := p.choose(&fakeFamily)
		if err != nil {
			return
		}
		if len(kinds) == 0 {
			t.Errorf("%q chooses no kinds", text)
		}
		for _, k := range kinds {
			if k.Open != nil && p.Data.path(k.Name) == "" {
				t.Errorf("%q chooses %s without data", text, k.Name)
			}
		}
		for _, length := range p.Lengths {
			if n := p.Samples.At(int(length)); p.Adaptive == 0 && n < 1 {
				t.Errorf("%q: %d samples at %d", text, n, length)
			}
		}
	})
}
