package tokenizer

import "slices"

// endNames are the tokens that end a turn or a text, by the name that published vocabularies give
// them. A file names one of them at most.
var endNames = []string{
	"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>", "<EOT>",
	"_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
	"<｜end▁of▁sentence｜>", "</s>", "[e~[",
}

// findEnds fills Special.End: the tokens that the file names, which are there already, EOS, and
// those of a well-known name that are special. It is the last step of making a Subword.
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
