package limits

import (
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// group is the process's control group in one mounted hierarchy.
type group struct {
	v2 bool
	// mount is the mount point of the hierarchy, and dir the group's folder below it, without a
	// leading slash.
	mount, dir string
	// controllers are the controllers of a hierarchy of version 1.
	controllers []string
}

// groups finds the process's groups in all mounted hierarchies.
func groups(root fs.FS) (out []group) {
	member := membership(read(root, "proc/self/cgroup"))
	for _, m := range mounts(read(root, "proc/self/mountinfo")) {
		for _, c := range member {
			if m.v2 != c.v2 || !m.v2 && !m.has(c.controllers) {
				continue
			}
			dir := strings.Trim(path.Join(m.point, below(m.root, c.dir)), "/")
			if mount := strings.Trim(m.point, "/"); fs.ValidPath(dir) && fs.ValidPath(mount) {
				out = append(out, group{v2: m.v2, mount: mount, dir: dir, controllers: c.controllers})
			}
		}
	}
	return out
}

// below returns a group's folder relative to a mount that shows the hierarchy from root on. A group
// outside the mounted part, as in a container that sees its own group as the root, is the mount
// point itself.
func below(root, dir string) string {
	dir = path.Clean("/" + dir)
	if root == "/" {
		return dir
	}
	if rest, ok := strings.CutPrefix(dir, root); ok && (rest == "" || rest[0] == '/') {
		return rest
	}
	return ""
}

// path returns the folders from the group up to the mount point.
func (g group) path() (out []string) {
	for dir := g.dir; ; dir = path.Dir(dir) {
		out = append(out, dir)
		if len(dir) <= len(g.mount) {
			return out
		}
	}
}

// has reports whether a hierarchy of version 1 has a controller; in version 2 the existence of
// files shows this.
func (g group) has(controller string) bool { return g.v2 || slices.Contains(g.controllers, controller) }

// memoryLimit returns the limit of one folder.
func (g group) memoryLimit(root fs.FS, dir string) (limit int64, ok bool) {
	files := []string{"memory.max", "memory.high"} // beyond high the kernel slows the group down until it has less
	if !g.v2 {
		files = []string{"memory.limit_in_bytes"}
	}
	if !g.has("memory") {
		return 0, false
	}
	for _, f := range files {
		if n, known := bytes(read(root, dir+"/"+f)); known && (!ok || n < limit) {
			limit, ok = n, true
		}
	}
	if n, known := statistic(read(root, dir+"/memory.stat"), "hierarchical_memory_limit"); !g.v2 && known && (!ok || n < limit) {
		limit, ok = n, true // of a group above that is not mounted here
	}
	return limit, ok
}

// memoryUsed returns the memory of a folder's groups, without file pages that the kernel can drop.
func (g group) memoryUsed(root fs.FS, dir string) int64 {
	usage, prefix := "memory.current", ""
	if !g.v2 {
		usage, prefix = "memory.usage_in_bytes", "total_"
	}
	used, ok := bytes(read(root, dir+"/"+usage))
	if !ok {
		return 0
	}
	stat := read(root, dir+"/memory.stat")
	for _, name := range []string{prefix + "inactive_file", prefix + "active_file", "slab_reclaimable"} {
		if n, ok := statistic(stat, name); ok {
			used -= min(n, used)
		}
	}
	return used
}

// statistic returns a value of memory.stat.
func statistic(text, name string) (int64, bool) {
	for line := range strings.Lines(text) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), " "); key == name {
			return bytes(value)
		}
	}
	return 0, false
}

func (g group) quotaFile() string {
	if g.v2 {
		return "cpu.max"
	}
	return "cpu.cfs_quota_us"
}

// quota returns the number of CPUs that a folder allows; 0 means no limit.
func (g group) quota(root fs.FS, dir string) float64 {
	if !g.has("cpu") {
		return 0
	}
	f := strings.Fields(read(root, dir+"/"+g.quotaFile()))
	if !g.v2 {
		f = append(f, strings.Fields(read(root, dir+"/cpu.cfs_period_us"))...)
	}
	if len(f) == 1 && g.v2 {
		f = append(f, "100000") // the period may be left out
	}
	if len(f) != 2 {
		return 0
	}
	quota, err1 := strconv.ParseFloat(f[0], 64)
	period, err2 := strconv.ParseFloat(f[1], 64)
	if q := quota / period; err1 == nil && err2 == nil && q > 0 && !math.IsInf(q, 0) && period > 0 {
		return q
	}
	return 0
}

// place is a line of /proc/self/cgroup: the process's folder in a hierarchy.
type place struct {
	v2          bool
	controllers []string
	dir         string
}

// membership reads /proc/self/cgroup: lines of id:controllers:folder, with 0::folder for version 2.
func membership(text string) (out []place) {
	for line := range strings.Lines(text) {
		id, rest, _ := strings.Cut(strings.TrimRight(line, "\n"), ":")
		controllers, dir, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		out = append(out, place{id == "0" && controllers == "", strings.Split(controllers, ","), dir})
	}
	return out
}

// mount is a mounted hierarchy: the part from root on, at point. The options of one of version 1
// name its controllers, among others.
type mount struct {
	v2          bool
	root, point string
	options     []string
}

// has reports whether a hierarchy has all controllers.
func (m mount) has(controllers []string) bool {
	for _, c := range controllers {
		if !slices.Contains(m.options, c) {
			return false
		}
	}
	return true
}

// mounts reads the control groups of /proc/self/mountinfo. Its lines are
//
//	id parent major:minor root point options [more...] - type source super-options
func mounts(text string) (out []mount) {
	for line := range strings.Lines(text) {
		front, back, ok := strings.Cut(line, " - ")
		f, b := strings.Fields(front), strings.Fields(back)
		if !ok || len(f) < 6 || len(b) < 3 || b[0] != "cgroup" && b[0] != "cgroup2" {
			continue
		}
		m := mount{v2: b[0] == "cgroup2", root: path.Clean("/" + unescape(f[3])), point: path.Clean("/" + unescape(f[4]))}
		if !m.v2 {
			m.options = strings.Split(b[2], ",")
		}
		out = append(out, m)
	}
	return out
}

// unescape decodes the octal escapes, such as those of spaces, in a path of mountinfo.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
