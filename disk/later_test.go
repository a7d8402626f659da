package disk_test

import (
	"sync/atomic"
	"testing"
	"time"

	"nearside/disk"
)

func TestWhatIsAskedForOftenIsDoneLaterAndOnce(t *testing.T) {
	done := make(chan struct{}, 10)
	l := disk.NewLater(time.Millisecond, func() { done <- struct{}{} })
	for range 2 { // what was done can be asked for again
		l.Ask()
		l.Ask()
		<-done
	}
	l.Close()
	if len(done) > 1 { // the second of two that were asked for may have come after the first was done
		t.Errorf("it was done %d times more", len(done))
	}
}

func TestWhatIsClosedIsNotDoneAnyMore(t *testing.T) {
	var done atomic.Int32
	l := disk.NewLater(time.Hour, func() { done.Add(1) })
	l.Ask()
	l.Close()
	l.Ask()
	l.Close()
	if done.Load() != 0 {
		t.Errorf("it was done %d times", done.Load())
	}
}

func TestClosingWaitsForWhatIsBeingDone(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	var ended atomic.Bool
	l := disk.NewLater(0, func() { close(begun); <-end; ended.Store(true) })
	l.Ask()
	<-begun
	time.AfterFunc(10*time.Millisecond, func() { close(end) })
	l.Close()
	if !ended.Load() {
		t.Error("it was still being done")
	}
}
