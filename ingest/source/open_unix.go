//go:build unix

package source

import (
	"os"
	"syscall"
)

// readFlags open a file so that nothing waits or is taken over, should it have become a fifo or a terminal.
const readFlags = os.O_RDONLY | syscall.O_NONBLOCK | syscall.O_NOCTTY
