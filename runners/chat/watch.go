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

// watch ends this process when it exceeds the limits of a rendering. The runtime does not stop at a
// limit of memory by itself, and not every system has one for processes; an allocation is counted
// before it is filled, so asking often is enough.
func watch() {
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(maxMemory)
	time.AfterFunc(maxTime, func() { os.Exit(exitTime) })
	go func() {
		held := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		for {
			metrics.Read(held)
			if held[0].Value.Uint64()-held[1].Value.Uint64() > maxMemory {
				os.Exit(exitMemory)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
}
