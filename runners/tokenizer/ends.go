package tokenizer

import "slices"

// endNames are the names that published vocabularies give to tokens that end a turn or a text. A
// file declares at most one of them.
var endNames = []string{
	"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>", "<EOT>",
	"_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
	"<｜end▁of▁sentence｜>", "</s>", "[e~[",
}

// findEnds completes Special.End, which already has the tokens that the file declares: it adds EOS
// and the special tokens with a well-known name. It is the last step of making a Subword.
func (t *Subword) findEnds(special func(id int) bool) {
	s := &t.special
	if s.EOS >= 0 {
		s.End = append(s.End, s.EOS)
	}
	for _, name := range endNames {
		if id, ok := t.ids[name]; ok && special(id) {
			s.End = append(s.End, id)
		}
	}
	slices.Sort(s.End)
	s.End = slices.Compact(s.End)
	// In this vocabulary <|end|> ends a message, not a turn.
	if _, harmony := t.ids["<|return|>"]; harmony {
		if id, ok := t.ids["<|end|>"]; ok {
			s.End = slices.DeleteFunc(s.End, func(e int) bool { return e == id })
		}
	}
	t.finish()
}
