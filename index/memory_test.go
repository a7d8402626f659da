package index_test

import (
	"testing"
	"time"

	"nearside/index"
	"nearside/index/indextest"
)

func openMemory(t *testing.T) indextest.Harness {
	clock := indextest.NewClock()
	engine := index.NewMemory(clock.Now)
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return indextest.Harness{Engine: engine, Clock: clock, Remembers: time.Hour}
}

func TestMemoryKeepsTheContract(t *testing.T) { indextest.Run(t, openMemory) }

func TestMemoryAgreesWithItself(t *testing.T) { indextest.Random(t, openMemory) }
