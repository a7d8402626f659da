package source

import (
	"io/fs"
	"syscall"
	"time"
)

// changed is when a file's content, name or rights were changed last. Nobody can set it back.
func changed(info fs.FileInfo) time.Time {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}
	}
	return time.Unix(int64(s.Ctim.Sec), int64(s.Ctim.Nsec))
}
