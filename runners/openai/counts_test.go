package openai

import "testing"

// TestCounts checks that invalid token counts are read as missing (-1).
func TestCounts(t *testing.T) {
	c := newClient(Spec{})
	for text, want := range map[string]int{"7": 7, "0": 0, "-7": -1, "null": -1, "4294967296": 1 << 32, "4294967297": -1, "9223372036854775807": -1,
		"7.0": 7, "7.5": -1, "1e2": 100, "1e30": -1, "1e999": -1, `"7"`: -1, "[7]": -1, "{}": -1, "true": -1} {
		a, err := c.parseAnswer([]byte(`{"usage":{"prompt_tokens":` + text + `,"completion_tokens":` + text + `,"prompt_tokens_details":{"cached_tokens":` + text + "}}}"))
		if err != nil {
			t.Fatal(err)
		}
		if u := a.Usage.v; u.prompt() != want || u.completion() != want || u.cached() != want {
			t.Errorf("%s: %d, %d and %d, want %d", text, u.prompt(), u.completion(), u.cached(), want)
		}
	}
	// An empty list is how some languages write an empty object.
	for text, want := range map[string]int{"[]": -1, "null": -1, "5": -1, `{"prompt_tokens":5,"prompt_tokens_details":[]}`: 5} {
		a, err := c.parseAnswer([]byte(`{"usage":` + text + "}"))
		if err != nil || a.Usage.v.prompt() != want || a.Usage.v.cached() != -1 {
			t.Errorf("usage %s: %+v, %v", text, a, err)
		}
	}
}
