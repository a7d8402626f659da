//go:build unix

package ann

import (
	"syscall"
	"time"
)

// cpuTime is what this process has taken of the CPUs, on all threads.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
