package openai

import "testing"

// TestCounts reads counts of tokens that no server can mean.
func TestCounts(t *testing.T) {
	c := newClient(Spec{})
	for text, want := range map[string]int{"7": 7, "0": 0, "-7": -1, "null": -1, "4294967296": 1 << 32, "4294967297": -1, "9223372036854775807": -1} {
		a, err := c.parseAnswer([]byte(`{"usage":{"prompt_tokens":` + text + `,"completion_tokens":` + text + `,"prompt_tokens_details":{"cached_tokens":` + text + "}}}"))
		if err != nil {
			t.Fatal(err)
		}
		if u := a.Usage; u.prompt() != want || u.completion() != want || u.cached() != want {
			t.Errorf("%s: %d, %d and %d, want %d", text, u.prompt(), u.completion(), u.cached(), want)
		}
	}
}
