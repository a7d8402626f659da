package vek

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// Kernel names one set of kernels.
type Kernel string

// The kernels.
const (
	Generic Kernel = "generic" // plain Go, on every CPU
	AVX2    Kernel = "avx2"    // amd64 with AVX2 and FMA
	AVX512  Kernel = "avx512"  // amd64 with AVX-512: F, BW, VL and VNNI
	NEON    Kernel = "neon"    // arm64
)

// active is the index in kernelNames of the kernels in use.
var active atomic.Uint32

func init() { mustUse(Best()) }

// Kernels lists what this CPU can run, the best first. Generic is the last always.
func Kernels() []Kernel { return append(nativeKernels(), Generic) }

// Best is what is used unless Use says otherwise.
func Best() Kernel { return Kernels()[0] }

// Using is what is used now.
func Using() Kernel { return kernelNames[active.Load()] }

// Use makes all later calls use the kernels of that name, or the best ones if
// name is "". It fails if this CPU cannot run them. The choice is the process's;
// it is meant to be made once, by the command, and by tests.
func Use(name string) error {
	k := Kernel(name)
	if k == "" {
		k = Best()
	}
	if can := Kernels(); !slices.Contains(can, k) {
		names := make([]string, len(can))
		for i, c := range can {
			names[i] = string(c)
		}
		return fmt.Errorf("kernels %q are not for this CPU; it can run %s", name, strings.Join(names, ", "))
	}
	mustUse(k)
	return nil
}

func mustUse(k Kernel) { active.Store(uint32(slices.Index(kernelNames[:], k))) }

// The order of kernelNames, for the switches of the platforms.
const (
	useGeneric = iota
	useAVX2
	useAVX512
	useNEON
)

var kernelNames = [...]Kernel{useGeneric: Generic, useAVX2: AVX2, useAVX512: AVX512, useNEON: NEON}
