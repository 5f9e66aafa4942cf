package cpu

import (
	"sync"
	"syscall"
)

// tilesForbidden asks Linux, once, to let this process use tile registers (which add 8 KiB to the
// saved state of each thread). It returns why Linux refused, or "". See <asm/prctl.h> and the
// kernel's documentation of dynamically enabled features.
var tilesForbidden = sync.OnceValue(func() string {
	const (
		reqXCompPerm = 0x1023 // ARCH_REQ_XCOMP_PERM
		xTileData    = 18
	)
	if amxSimulated {
		return ""
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, reqXCompPerm, xTileData, 0); errno != 0 {
		return "the operating system's permission to use AMX tiles (arch_prctl: " + errno.Error() + ")"
	}
	return ""
})
