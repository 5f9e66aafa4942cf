package tokenizer

import "unicode/utf8"

// Byte-level vocabularies (introduced by GPT-2) write each byte as one printable character: a
// printable byte as itself, any other as a character from U+0100 on, so " " is Ġ.

var (
	byteRune [256]rune
	runeByte [0x144]int16 // -1 for a character that represents no byte
)

func init() {
	for i := range runeByte {
		runeByte[i] = -1
	}
	other := rune(0x100)
	for b := range 256 {
		r := rune(b)
		if !(b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae) {
			r = other
			other++
		}
		byteRune[b], runeByte[r] = r, int16(b)
	}
}

// appendBytes appends the bytes that the characters of s represent. ok is false if a character
// represents none.
func appendBytes(dst []byte, s string) (_ []byte, ok bool) {
	for _, r := range s {
		if int(r) >= len(runeByte) || runeByte[r] < 0 {
			return dst, false
		}
		dst = append(dst, byte(runeByte[r]))
	}
	return dst, true
}

// byteLevel writes each byte of s as its character.
func byteLevel(s string) string {
	b := make([]byte, 0, len(s)+len(s)/2)
	for i := range len(s) {
		b = utf8.AppendRune(b, byteRune[s[i]])
	}
	return string(b)
}
