package chat

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Exit codes of a child that exceeds a limit.
const (
	exitTime   = 90
	exitMemory = 91
)

// start is about when this process started.
var start = time.Now()

// watch ends this process if it exceeds the limits of a rendering. Go's runtime does not enforce a
// memory limit. An allocation is counted before it is filled, so frequent polling finds one; a
// system that can limit a process (limitMemory) refuses it at once.
func watch() error {
	if err := limitMemory(); err != nil {
		return err
	}
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(maxMemory)
	go func() {
		held := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		for {
			metrics.Read(held)
			if held[0].Value.Uint64()-held[1].Value.Uint64() > maxMemory {
				os.Exit(exitMemory)
			}
			if cpuTime() > maxTime {
				os.Exit(exitTime)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	return nil
}
