//go:build unix

package command

import (
	"errors"
	"syscall"
)

// lives reports whether there is a process with the number.
func lives(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
