//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestModelPaths: a model is found by a path in any case of its extension and of any kind of file,
// and what is not a model is an error that says why; nothing blocks.
func TestModelPaths(t *testing.T) {
	tiny, err := filepath.Abs("../../testdata/real/tiny")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	must := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	folder := func(name string) { // a folder of Hugging Face
		must(os.CopyFS(name, os.DirFS(filepath.Join(tiny, "qwen3"))))
	}
	must(os.Symlink(filepath.Join(tiny, "qwen3.gguf"), "M.GGUF"), os.Symlink("loop.gguf", "loop.gguf"), os.Symlink("none", "none.gguf"))
	must(os.Symlink(filepath.Join(tiny, "qwen3"), "M"), os.Mkdir("empty.gguf", 0o755), unix.Mkfifo("pipe.gguf", 0o600))
	folder("folder.gguf")
	folder("pipe")
	must(os.Remove("pipe/config.json"), unix.Mkfifo("pipe/config.json", 0o600))
	folder("loop")
	must(os.Remove("loop/model.safetensors"), os.Symlink("model.safetensors", "loop/model.safetensors"))
	must(os.Mkdir("bare", 0o755), os.Mkdir("hub", 0o755), os.WriteFile("hub/a.GGUF", nil, 0o600))
	folder("broken")
	must(os.Remove("broken/model.safetensors"), os.Symlink("../blobs/a", "broken/model.safetensors"))
	for _, tt := range []struct{ path, want string }{
		{"M.GGUF", ""}, {"folder.gguf", ""},
		{"empty.gguf", "empty.gguf is a folder without config.json"},
		{"loop.gguf", "loop.gguf is a broken link"}, {"none.gguf", "none.gguf is a broken link"},
		{"pipe.gguf", "pipe.gguf: not a regular file"}, {"pipe", "pipe/config.json: not a regular file"},
		{"loop", "loop/model.safetensors: too many levels of symbolic links"},
		{"broken", "open broken/model.safetensors: no such file or directory"},
		{"hub", "hub is a folder without config.json\n  hint: give its file: hub/a.GGUF"},
		{"./bare", "./bare is a folder without config.json"}, {"org/name", "no folder org/name\n  hint: a model is a .gguf file"},
		{"pipe/model.safetensors", "pipe/model.safetensors is not a model"},
		{"nothing.GGUF", "no file nothing.GGUF"},
	} {
		for _, command := range []string{"inspect", "verify"} {
			var out, errs bytes.Buffer
			code := run(context.Background(), []string{"model", command, tt.path}, &out, &errs)
			if (code == 0) != (tt.want == "") || command == "inspect" && !strings.Contains(errs.String(), tt.want) {
				t.Errorf("model %s %s: exit code %d\n%s", command, tt.path, code, errs.String())
			}
		}
	}
}
