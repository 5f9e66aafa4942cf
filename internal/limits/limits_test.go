package limits

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
)

// tree returns an archive as a file system.
func tree(a *txtar.Archive) fs.FS {
	m := fstest.MapFS{}
	for _, f := range a.Files {
		m[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return m
}

// Each archive is the layout of a real system; its comment has the expected result, with the
// number of CPUs before quotas after "of".
func TestLayouts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d layouts, %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var left, limit int64
			var by string
			var count, most int
			for line := range strings.Lines(string(a.Comment)) {
				if _, err := fmt.Sscanf(line, "memory %d of %d by", &left, &limit); err == nil {
					_, by, _ = strings.Cut(strings.TrimSuffix(line, "\n"), " by ")
				}
				fmt.Sscanf(line, "cpus %d of %d", &count, &most)
			}
			if m := memory(tree(a)); m != (Memory{left, limit, by}) {
				t.Errorf("memory: got %+v, want %+v", m, Memory{left, limit, by})
			}
			if c := cpus(tree(a), most); c.Count != count || (c.By != "") != (c.Quota > 0) {
				t.Errorf("CPUs: got %+v, want %d", c, count)
			}
		})
	}
}

func TestThisMachine(t *testing.T) {
	m, c := ReadMemory(), ReadCPUs()
	if c.Count < 1 || c.Count > runtime.NumCPU() {
		t.Errorf("CPUs: %+v of %d", c, runtime.NumCPU())
	}
	if runtime.GOOS == "linux" && (m.By == "" || m.Left < 0) {
		t.Errorf("memory: %+v", m)
	}
}

// Arbitrary file contents cause no panic and give plausible results.
func FuzzLayouts(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		a := txtar.Parse(b)
		text := map[string]string{}
		for _, file := range a.Files {
			text[filepath.Base(file.Name)] = string(file.Data)
		}
		f.Add(text["cgroup"], text["mountinfo"], text["memory.max"], text["memory.stat"], text["cpu.max"], text["limits"])
	}
	f.Fuzz(func(t *testing.T, cgroup, mountinfo, limit, stat, quota, resource string) {
		root := fstest.MapFS{"proc/self/status": {Data: []byte("VmSize: 100 kB\nVmData: 50 kB\n")}}
		add := func(name, text string) {
			if fs.ValidPath(name) {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
		}
		add("proc/self/cgroup", cgroup)
		add("proc/self/mountinfo", mountinfo)
		add("proc/self/limits", resource)
		for _, g := range groups(root) {
			if !fs.ValidPath(g.dir) || !strings.HasPrefix(g.dir, g.mount) {
				t.Fatalf("group %+v is not below its mount", g)
			}
			for _, dir := range g.path()[:min(4, len(g.path()))] {
				for _, name := range []string{"memory.max", "memory.current", "memory.limit_in_bytes", "memory.usage_in_bytes"} {
					add(dir+"/"+name, limit)
				}
				add(dir+"/memory.stat", stat)
				add(dir+"/cpu.max", quota)
				add(dir+"/cpu.cfs_quota_us", quota)
				add(dir+"/cpu.cfs_period_us", "100000")
			}
		}
		if m := memory(root); m.Left < 0 || m.Limit < 0 || m.Limit > 0 && m.Left > m.Limit {
			t.Fatalf("memory %+v", m)
		}
		if c := cpus(root, 7); c.Count < 1 || c.Count > 7 || !(c.Quota >= 0) {
			t.Fatalf("CPUs %+v", c)
		}
	})
}
