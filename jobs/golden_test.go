package jobs_test

import (
	"context"
	"flag"
	"slices"
	"testing"

	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/jobs"
)

var update = flag.Bool("update", false, "write the golden jobs anew; only for a new version of the format")

// golden is a data directory of version 1, as a clean end left it: a job that is done, one that failed, one that is queued.
const golden = "testdata/jobs-1.zip"

func writeGolden(t *testing.T) {
	t.Helper()
	path := t.TempDir()
	h := open(t, path, jobs.Options{Clock: newClock().time})
	h.handle(func(ctx context.Context, r *jobs.Run) error {
		r.Progress(jobs.Progress{Documents: 2, Failed: 1, Total: 3, Chunks: 9, Tokens: 90, Neurons: 5, Note: "writing"})
		r.Failure("b.pdf", "it is encrypted")
		if err := r.Remember(ctx, []byte("so far")); err != nil {
			return err
		}
		if r.Index == "notes" {
			return fault.New(fault.NotFound, "the index is gone")
		}
		return nil
	})
	stop := h.run()
	h.reach(h.add("docs").Number, jobs.Done)
	h.reach(h.add("notes").Number, jobs.Failed)
	stop()
	h.add("docs")
	h.shut()
	disktest.ReadTree(t, path).Pack(t, golden)
}

func TestTheGoldenJobsAreReadAsTheyWereWritten(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	h := open(t, disktest.LayOut(t, golden), jobs.Options{Keep: 1 << 62}) // whenever it was written
	defer h.shut()
	list, err := h.Jobs(t.Context(), "alice", jobs.Look{Limit: 10})
	if err != nil || len(list) != 3 || list[0].State != jobs.Queued || list[1].State != jobs.Failed || list[2].State != jobs.Done {
		t.Fatalf("%+v, %v", list, err)
	}
	at, queued, failed, done := newClock().now, h.job(list[0].Number), h.job(list[1].Number), h.job(list[2].Number)
	want := jobs.Progress{Documents: 2, Failed: 1, Total: 3, Chunks: 9, Tokens: 90, Neurons: 5, Note: "writing"}
	if done.Payer != alice || done.Kind != "k" || done.Index != "docs" || string(done.Spec) != `{"a":1}` || string(done.Memory) != "so far" ||
		done.Progress != want || !slices.Equal(done.Failures, []jobs.Failure{{Path: "b.pdf", Reason: "it is encrypted"}}) ||
		!done.Created.Equal(at) || !done.Started.Equal(at) || !done.Ended.Equal(at) {
		t.Errorf("done: %+v", done)
	}
	if failed.Reason != "the index is gone" || failed.Index != "notes" {
		t.Errorf("failed: %+v", failed)
	}
	if queued.Progress.Total != 3 || !queued.Started.IsZero() || !queued.Ended.IsZero() {
		t.Errorf("queued: %+v", queued)
	}
	h.handle(func(context.Context, *jobs.Run) error { return nil })
	defer h.run()()
	h.reach(queued.Number, jobs.Done)
}

func TestAnExaminationFindsJobsThatAreGoneOrDamaged(t *testing.T) {
	disktest.Examine(t, disktest.LayOut(t, golden), "jobs.db", jobs.Check)
}
