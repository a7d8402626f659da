package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"nearside/fault"
)

func TestTheOutermostFaultDecides(t *testing.T) {
	inner := fault.New(fault.Corrupt, "page %d", 7).Because(io.ErrUnexpectedEOF)
	outer := fault.For("limit", "too many: %d", 9).Because(fmt.Errorf("open: %w", inner))
	wrapped := fmt.Errorf("upsert: %w", outer)
	if got := fault.As(wrapped); got != outer || got.Reason != "limit" || got.Kind != fault.Invalid {
		t.Errorf("As found %+v", got)
	}
	if !fault.Is(wrapped, fault.Invalid) || fault.Is(wrapped, fault.Corrupt) {
		t.Error("an inner fault decided")
	}
	if !errors.Is(wrapped, io.ErrUnexpectedEOF) {
		t.Error("the cause was lost")
	}
	if want := "too many: 9: open: page 7: unexpected EOF"; outer.Error() != want {
		t.Errorf("message %q, want %q", outer, want)
	}
}

func TestWhatIsNoFaultIsInternal(t *testing.T) {
	if fault.KindOf(io.EOF) != fault.Internal || fault.As(io.EOF) != nil || fault.Is(io.EOF, fault.Internal) {
		t.Error("io.EOF was taken for a fault")
	}
	seen := map[string]bool{}
	for k := fault.Internal; k <= fault.Corrupt; k++ {
		if seen[k.String()] {
			t.Errorf("two kinds are called %s", k)
		}
		seen[k.String()] = true
	}
}
