package cleantext

import "testing"

func TestShellQuote(t *testing.T) {
	for word, want := range map[string]string{
		"": "''", "plain-1_./:=@%+,": "plain-1_./:=@%+,", "a b": "'a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "größe": "größe", "a\nb": "'a\nb'", "~": "'~'",
	} {
		if got := ShellQuote(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}
