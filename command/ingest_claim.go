package command

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"nearside/fault"
	"nearside/ingest/remote"
)

// claim claims a source. A loader that lives is not waited for; one of this machine that is dead cannot say
// that it is done, and its claim ends by itself in half a minute.
func claim(ctx context.Context, target *remote.Target, source string, remark func(string)) (*remote.Manifest, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "a machine without a name"
	}
	holder := fmt.Sprintf("nearside ingest on %s, process %d", host, os.Getpid())
	until := time.Now().Add(claimPatience)
	for told := false; ; {
		m, err := remote.Claim(ctx, target, source, holder)
		if !fault.Is(err, fault.Conflict) || time.Now().After(until) {
			return m, err
		}
		found, lookErr := remote.Find(ctx, target, source)
		if lookErr != nil {
			return nil, lookErr
		}
		if found.Holder != "" && found.Holder != holder && !dead(found.Holder, host) { // its own is one whose reply never came
			return nil, err
		}
		if !told {
			told = true
			remark(fmt.Sprintf("waiting up to %v: the loader that was here, %s, ended without saying so", claimPatience, found.Holder))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(claimEvery):
		}
	}
}

// A claim ends 30 seconds after its last sign of life.
const (
	claimPatience = 35 * time.Second
	claimEvery    = 500 * time.Millisecond
)

// holderWords is how a loader names itself.
var holderWords = regexp.MustCompile(`^nearside ingest on (.+), process (\d+)$`)

// dead reports whether the holder of a claim is a process of this machine that is no more.
func dead(holder, host string) bool {
	words := holderWords.FindStringSubmatch(holder)
	if words == nil || words[1] != host {
		return false
	}
	pid, err := strconv.Atoi(words[2])
	return err == nil && !lives(pid)
}
