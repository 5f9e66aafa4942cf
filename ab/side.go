package ab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites"
)

// side is one of the two binaries of an experiment.
type side struct {
	// name is "base" or "new", source the user's argument, binary the file to run.
	name, source, binary string
}

// resolve finds a side's binary, or builds it below dir. source is a file, a folder with a
// checkout, or a git ref of the repository that contains the working directory.
func (s *side) resolve(ctx context.Context, dir string) error {
	info, err := os.Stat(s.source)
	switch {
	case err == nil && info.Mode().IsRegular():
		s.binary, err = filepath.Abs(s.source)
		return err
	case err == nil && info.IsDir() && isCheckout(s.source):
		return s.build(ctx, s.source, dir)
	}
	hash, err := output(ctx, ".", "git", "rev-parse", "--verify", "--end-of-options", s.source+"^{commit}")
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return s.noRef(ctx, err)
	}
	tree := filepath.Join(dir, s.name+treeSuffix)
	if _, err := output(ctx, ".", "git", "worktree", "add", "--detach", "--quiet", tree, hash); err != nil {
		return fmt.Errorf("--%s %s: %w", s.name, s.source, err)
	}
	defer removeTree(ctx, ".", tree)
	if !isCheckout(tree) {
		return &suites.Problem{Msg: fmt.Sprintf("--%s %s: that commit has no cmd/yocobench", s.name, s.source)}
	}
	return s.build(ctx, tree, dir)
}

// noRef returns the error for an unknown source, with git's reason.
func (s *side) noRef(ctx context.Context, err error) error {
	hint := ""
	if shallow, err := output(ctx, ".", "git", "rev-parse", "--is-shallow-repository"); err == nil && shallow == "true" {
		hint = fmt.Sprintf("this is a shallow clone; fetch the ref first, with its commit: git fetch --depth 1 origin %s", cleantext.ShellQuote(s.source))
	}
	return &suites.Problem{Msg: fmt.Sprintf("--%s %s: no such binary, checkout or git ref: %v", s.name, s.source, err), Hint: hint}
}

// IsNullCommit reports whether ref is the null hash, which GitHub uses as the state before the
// first push of a branch.
func IsNullCommit(ref string) bool { return nullCommit.MatchString(ref) }

var nullCommit = regexp.MustCompile(`^(0{40}|0{64})$`)

func isCheckout(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "cmd", "yocobench", "main.go"))
	return err == nil
}

// build builds the checkout in tree. Both sides are built with trimmed paths, so that path lengths
// do not shift code.
func (s *side) build(ctx context.Context, tree, dir string) error {
	s.binary = filepath.Join(dir, s.name)
	if os.PathSeparator == '\\' {
		s.binary += ".exe"
	}
	if _, err := output(ctx, tree, "go", "build", "-trimpath", "-o", s.binary, "./cmd/yocobench"); err != nil {
		return fmt.Errorf("--%s %s does not build: %w", s.name, s.source, err)
	}
	return nil
}

// output runs a command in a folder and returns its standard output. The error contains its
// standard error.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	var out, complaint bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaint
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if text := strings.TrimSpace(complaint.String()); text != "" {
			return "", fmt.Errorf("%s %s: %w:\n%s", name, args[0], err, text)
		}
		return "", fmt.Errorf("%s %s: %w", name, args[0], err)
	}
	return strings.TrimSpace(out.String()), nil
}
