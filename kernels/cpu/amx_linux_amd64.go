package cpu

import (
	"sync"
	"syscall"
)

// tilesForbidden asks Linux, once, for the use of tile registers by this process (they
// make the state that it saves for a thread 8 KiB larger) and says why it
// refused, or nothing. From <asm/prctl.h> and the kernel's documentation of
// dynamically enabled features.
var tilesForbidden = sync.OnceValue(func() string {
	const (
		reqXCompPerm = 0x1023 // ARCH_REQ_XCOMP_PERM
		xTileData    = 18
	)
	if amxSimulated {
		return ""
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, reqXCompPerm, xTileData, 0); errno != 0 {
		return "the operating system's leave to use AMX tiles (arch_prctl: " + errno.Error() + ")"
	}
	return ""
})
