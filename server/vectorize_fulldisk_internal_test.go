package server

import (
	"sync/atomic"
	"syscall"
	"testing"

	"nearside/disk"
	"nearside/index"
	"nearside/vectorize"
)

func TestAFullDiskStopsWritesAndNothingElse(t *testing.T) {
	var full atomic.Bool
	c := newCloudOn(t, "local", disk.Options{Hook: func(op disk.Op, _ string) error {
		if full.Load() && op == disk.OpWrite {
			return syscall.ENOSPC
		}
		return nil
	}}, Config{}, vectorize.Cloudflare())
	c.films(index.Euclidean, `{"id":"a","values":[0,0,0]}`)
	reads := func(count string) {
		t.Helper()
		c.send("GET", v2+"/films/info", "", "").want(t, 200, 0, `"vectorCount":`+count)
		c.send("POST", v2+"/films/query", "", `{"vector":[0,0,0]}`).want(t, 200, 0, `"count":`+count)
	}
	full.Store(true)
	for range 2 {
		a := c.send("POST", v2+"/films/upsert", typeNDJSON, `{"id":"b","values":[1,0,0]}`)
		if a.status != 503 {
			t.Errorf("an upsert on a full disk: %d %s", a.status, a.body)
		}
		c.send("POST", v2+"/films/delete_by_ids", "", `{"ids":["a"]}`)
		if a := c.send("POST", v2, "", `{"name":"books","config":{"dimensions":3,"metric":"cosine"}}`); a.status != 503 {
			t.Errorf("a create on a full disk: %d %s", a.status, a.body)
		}
		reads("1")
	}
	full.Store(false)
	c.send("POST", v2+"/films/upsert", typeNDJSON, `{"id":"b","values":[1,0,0]}`).want(t, 200, 0)
	c.send("POST", v2, "", `{"name":"books","config":{"dimensions":3,"metric":"cosine"}}`).want(t, 200, 0)
	reads("2")
}
