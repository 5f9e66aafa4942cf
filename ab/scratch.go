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

// The scratch folder of ab holds the binaries and worktrees of the builds. A file in it stays
// locked while its process lives. The next ab removes the folders of killed processes.
const (
	scratchPrefix = "yocobench-ab-"
	scratchLock   = "lock"
	// scratchOld is the age from which a folder without a lock file (older versions made none) is
	// considered abandoned.
	scratchOld = 24 * time.Hour
)

// NewScratch creates a scratch folder that allows executing programs, in the folder for temporary
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

// errNoExec reports a folder that forbids executing programs.
var errNoExec = errors.New("programs cannot be executed there (is it mounted noexec?)")

// scratchIn creates a scratch folder in the first place for which starts succeeds.
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
				err = nil // without a lock it stays until it is old
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
	return "", nil, fmt.Errorf("no folder to build in: %s\n  hint: set TMPDIR to a folder that allows executing programs", strings.Join(reasons, "; "))
}

// startsPrograms returns an error if programs in a folder cannot be executed.
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
	return nil // other errors appear when the build starts
}

// clearScratch removes the scratch folders below dir whose processes have ended, with their
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
			_ = os.RemoveAll(path) // fails if it belongs to another user
		}
	}
}

// treeSuffix is the suffix of a worktree's name in the scratch folder.
const treeSuffix = "-tree"

// removeTree removes a worktree of the repository that contains dir, even if ctx has ended.
func removeTree(ctx context.Context, dir, tree string) {
	_, _ = output(context.WithoutCancel(ctx), dir, "git", "worktree", "remove", "--force", tree)
}
