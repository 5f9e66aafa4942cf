package lfs

import "testing"

func TestIsPointer(t *testing.T) {
	const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
	for text, want := range map[string]bool{
		pointer: true, "version https://hawser.github.com/spec/v1\noid": true,
		"": false, "version": false, "About version https://git-lfs.github.com/spec/v1": false, pointer[1:]: false,
	} {
		if got := IsPointer([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if len(pointer) >= MaxPointer {
		t.Errorf("a pointer has %d bytes", len(pointer))
	}
}
