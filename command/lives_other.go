//go:build !unix

package command

import "os"

// lives reports whether there is a process with the number.
func lives(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	return p.Release() == nil
}
