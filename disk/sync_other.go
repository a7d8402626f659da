//go:build !linux

package disk

import "os"

// syncData makes the bytes of f durable. On macOS Sync is F_FULLFSYNC.
func syncData(f *os.File) error { return f.Sync() }
