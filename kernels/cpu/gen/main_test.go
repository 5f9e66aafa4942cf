package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/testenv"
)

// TestFresh: the committed assembly is what the generator writes.
func TestFresh(t *testing.T) {
	for name, want := range generate() {
		got, err := os.ReadFile("../" + name)
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is not what gen writes: run `go generate ./kernels/cpu`", name)
		}
	}
}

// TestEncodings: instructions written as bytes are what their comments say, according to GNU
// objdump.
func TestEncodings(t *testing.T) {
	for _, m := range []struct{ suffix, objdump, machine string }{
		{"_amd64.s", "objdump", "i386:x86-64"},
		{"_arm64.s", "aarch64-linux-gnu-objdump", "aarch64"},
	} {
		t.Run(m.machine, func(t *testing.T) {
			tool, err := exec.LookPath(m.objdump)
			if err != nil {
				testenv.Missing(t, "the encodings for %s are not checked: %v (packages binutils, binutils-aarch64-linux-gnu)", m.machine, err)
			}
			checked := 0
			for name, text := range generate() {
				if strings.HasSuffix(name, m.suffix) {
					checked += checkEncodings(t, tool, m.machine, name, string(text))
				}
			}
			if checked == 0 {
				t.Error("no instruction was checked")
			}
		})
	}
}

var (
	encoded = regexp.MustCompile(`(?m)^\t((?:BYTE|WORD) \$.*) // (.*)$`)
	number  = regexp.MustCompile(`(BYTE|WORD) \$(0x[0-9a-f]+)`)
	printed = regexp.MustCompile(`(?m)^\s+[0-9a-f]+:\t[0-9a-f ]+\t(.*)$`)
)

func checkEncodings(t *testing.T, tool, machine, name, text string) int {
	var code []byte
	var want []string
	seen := map[string]bool{}
	for _, m := range encoded.FindAllStringSubmatch(text, -1) {
		if seen[m[0]] {
			continue
		}
		seen[m[0]] = true
		for _, n := range number.FindAllStringSubmatch(m[1], -1) {
			v, err := strconv.ParseUint(n[2], 0, 32)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < map[string]int{"BYTE": 1, "WORD": 4}[n[1]]; i++ {
				code = append(code, byte(v>>(8*i)))
			}
		}
		want = append(want, plainCode(m[2]))
	}
	if len(want) == 0 {
		return 0
	}
	file := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(file, code, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "-D", "-b", "binary", "-m", machine, "--insn-width=16", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := printed.FindAllStringSubmatch(string(out), -1)
	if len(got) != len(want) {
		t.Fatalf("%s: %d instructions, objdump sees %d", name, len(want), len(got))
	}
	for i := range want {
		if g := plainCode(got[i][1]); g != want[i] {
			t.Errorf("%s: %q is %q", name, want[i], g)
		}
	}
	return len(want)
}

// plainCode normalizes the spelling of an instruction.
func plainCode(s string) string {
	s = strings.ToLower(strings.Join(strings.Fields(s), " "))
	// Instructions of AVX512_BF16 are commented in the syntax of Go's assembler.
	s = regexp.MustCompile(`([ ,])([yz])(\d+)`).ReplaceAllString(s, "$1%${2}mm$3")
	return strings.ReplaceAll(s, ", ", ",")
}
