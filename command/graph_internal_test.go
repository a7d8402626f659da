package command

import (
	"strings"
	"testing"

	"nearside/fault"
)

func TestFlagsOfGraphsAreChecked(t *testing.T) {
	good := graphFlags{graph: "on", recall: .98}
	if o, err := good.options(); err != nil || o.Off || o.TargetRecall != .98 || o.EF != 0 {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := (&graphFlags{graph: "off", recall: .9, ef: 7}).options(); err != nil || !o.Off || o.EF != 7 {
		t.Errorf("%+v, %v", o, err)
	}
	for want, f := range map[string]graphFlags{
		`--graph "maybe"`: {graph: "maybe", recall: .98},
		"--recall 1":      {graph: "on", recall: 1},
		"--recall 0":      {graph: "on"},
		"--ef -1":         {graph: "on", recall: .98, ef: -1},
		"--ef 10001":      {graph: "on", recall: .98, ef: 10_001},
	} {
		if _, err := f.options(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
