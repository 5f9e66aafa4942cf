// Package chat turns the chat template of a model, a Jinja program, into the text around a user's
// message.
//
// A template comes with a model, so it is treated as hostile. It is rendered once, in a child
// process of this program with limits of time and memory: the interpreter (ardanlabs/jinja) has
// none, and Go cannot recover from a stack overflow. The message in that rendering is a placeholder
// with quotes, brackets, accents and line breaks. It must occur exactly once and unchanged. The
// result is the text before and after it.
//
// Real messages never pass through the template. Join encodes the text of the template with special
// tokens and the message without, so a message that contains "<|im_end|>" ends no turn.
//
// A template sees what transformers' apply_chat_template passes for a conversation of one message:
// messages, bos_token, eos_token, add_generation_prompt=True, tools=None, documents=None, and
// enable_thinking=False. If it asks for the date (strftime_now), it gets Date.
package chat
