//go:build !linux

package ann

// anonymousMemory is not known on this system.
func anonymousMemory() int64 { return 0 }
