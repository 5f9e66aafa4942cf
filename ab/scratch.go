package ab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/yocobench/yocobench/internal/safefile"
)

// The scratch folder of ab holds the binaries and worktrees of the builds. It has a locked file for
// as long as its process lives; the next ab removes the folders of those that were killed.
const (
	scratchPrefix = "yocobench-ab-"
	scratchLock   = "lock"
	// scratchOld is the age from which a folder without a lock, which older versions made, is taken
	// for a leftover.
	scratchOld = 24 * time.Hour
)

// NewScratch makes a scratch folder from which programs can be started, in the folder for temporary
// files or else in the user's cache. done removes it.
func NewScratch(ctx context.Context) (dir string, done func(), err error) {
	places := []string{os.TempDir()}
	if cache, err := os.UserCacheDir(); err == nil {
		places = append(places, filepath.Join(cache, "yocobench"))
	}
	for _, p := range places {
		clearScratch(ctx, p)
	}
	return scratchIn(places, startsPrograms)
}

// errNoExec is the error of a folder that forbids to start programs.
var errNoExec = errors.New("programs cannot be started there (is it mounted noexec?)")

// scratchIn makes a scratch folder in the first of the places where starts succeeds.
func scratchIn(places []string, starts func(dir string) error) (dir string, done func(), err error) {
	var reasons []string
	for _, p := range places {
		if err := os.MkdirAll(p, 0o700); err != nil {
			reasons = append(reasons, err.Error())
			continue
		}
		dir, err := os.MkdirTemp(p, scratchPrefix)
		if err != nil {
			reasons = append(reasons, err.Error())
			continue
		}
		lock, err := os.OpenFile(filepath.Join(dir, scratchLock), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			if err = safefile.TryLock(lock); errors.Is(err, safefile.ErrNoLocks) {
				err = nil // then it is kept until it is old
			}
		}
		if err == nil {
			err = starts(dir)
		}
		if err == nil {
			return dir, func() {
				lock.Close()
				_ = os.RemoveAll(dir)
			}, nil
		}
		lock.Close()
		_ = os.RemoveAll(dir)
		reasons = append(reasons, fmt.Sprintf("%s: %v", p, err))
	}
	return "", nil, fmt.Errorf("no place to build in: %s\n  hint: name a folder that programs can be started from, as TMPDIR=DIR", strings.Join(reasons, "; "))
}

// startsPrograms reports whether programs can be started from a folder.
func startsPrograms(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	probe := filepath.Join(dir, "probe")
	if err := os.WriteFile(probe, []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
		return err
	}
	defer os.Remove(probe)
	if err := exec.Command(probe).Run(); errors.Is(err, os.ErrPermission) {
		return errNoExec
	}
	return nil // whatever else is wrong shows when the build is started
}

// clearScratch removes the scratch folders below dir whose processes are dead, with their
// worktrees.
func clearScratch(ctx context.Context, dir string) {
	found, err := filepath.Glob(filepath.Join(dir, scratchPrefix+"*"))
	if err != nil {
		return
	}
	for _, path := range found {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() {
			continue
		}
		lock, err := os.OpenFile(filepath.Join(path, scratchLock), os.O_RDWR, 0)
		dead := errors.Is(err, os.ErrNotExist) && time.Since(info.ModTime()) > scratchOld
		if err == nil {
			err = safefile.TryLock(lock)
			dead = err == nil || errors.Is(err, safefile.ErrNoLocks) && time.Since(info.ModTime()) > scratchOld
		}
		if dead {
			trees, _ := filepath.Glob(filepath.Join(path, "*"+treeSuffix))
			for _, tree := range trees {
				removeTree(ctx, tree, tree)
			}
		}
		lock.Close()
		if dead {
			_ = os.RemoveAll(path) // of another user: it stays
		}
	}
}

// treeSuffix ends the name of a side's worktree in the scratch folder.
const treeSuffix = "-tree"

// removeTree removes a worktree of the repository around dir, also when ctx has ended.
func removeTree(ctx context.Context, dir, tree string) {
	_, _ = output(context.WithoutCancel(ctx), dir, "git", "worktree", "remove", "--force", tree)
}
