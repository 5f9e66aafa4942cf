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

// watch ends this process if it exceeds the limits of a rendering. Go's runtime does not enforce a
// memory limit, and not every system can limit a process. An allocation is counted before it is
// filled, so frequent polling is enough.
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
