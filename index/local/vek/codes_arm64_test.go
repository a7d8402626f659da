package vek_test

import (
	"testing"

	"nearside/index/local/vek"
)

func TestCodesGiveTheExactSumOnCPUsWithoutSDOT(t *testing.T) {
	defer vek.WithoutSDOT()()
	TestCodesOfEveryLengthGiveTheExactSum(t)
}
