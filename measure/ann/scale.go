package ann

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nearside/index/local/vek"
)

// ScaleRow is what so many cores do together.
type ScaleRow struct {
	Cores       int     `json:"cores"`
	QPS         float64 `json:"qps"`
	Kernel      float64 `json:"kernel_rows"` // codes that a bare kernel loop compares in a second
	SearchTimes float64 `json:"search_times_one_core"`
	KernelTimes float64 `json:"kernel_times_one_core"`
	// Share is SearchTimes / KernelTimes: what search makes of what the machine can do.
	Share float64 `json:"share"`
}

// Scale measures searches on one core, two, and so on up to all, beside a loop that does
// nothing but compare random codes from as much memory as the graph's codes take.
func Scale(ctx context.Context, s *Set, k, ef, rounds int, o Options, tell Tell) ([]ScaleRow, error) {
	h, err := fillHome(ctx, s, o, alwaysGraph, nil)
	if err != nil {
		return nil, err
	}
	defer h.Close() // a temporary directory; what it was for is done
	kernel := newKernelLoop(s)
	cores := runtime.GOMAXPROCS(0)
	turns := make([][]ScaleRow, cores)
	for round := range rounds {
		for n := 1; n <= cores; n++ {
			row := ScaleRow{Cores: n}
			if row.QPS, err = Together(ctx, n, h, s, k, ef); err != nil {
				return nil, err
			}
			row.Kernel = kernel.on(n)
			turns[n-1] = append(turns[n-1], row)
		}
		tell.say("round %d of %d", round+1, rounds)
	}
	rows := make([]ScaleRow, cores)
	for i, t := range turns {
		r := ScaleRow{Cores: i + 1}
		r.QPS = medianOf(t, func(r *ScaleRow) float64 { return r.QPS })
		r.Kernel = medianOf(t, func(r *ScaleRow) float64 { return r.Kernel })
		rows[i] = r
		rows[i].SearchTimes = r.QPS / rows[0].QPS
		rows[i].KernelTimes = r.Kernel / rows[0].Kernel
		rows[i].Share = rows[i].SearchTimes / rows[i].KernelTimes
	}
	return rows, nil
}

// Together returns the queries a second of so many cores, which ask each query once for
// each of them. The engine must be one that takes several queries at a time, as a Home.
func Together(ctx context.Context, cores int, e Engine, s *Set, k, ef int) (float64, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	var next atomic.Int64
	total := int64(cores * s.Queries.Rows)
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for range cores {
		group.Go(func() error {
			var rows []uint32
			for i := next.Add(1) - 1; i < total; i = next.Add(1) - 1 {
				var err error
				if rows, _, err = e.Search(ctx, s.Queries.Row(int(i)%s.Queries.Rows), k, ef, rows[:0]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return float64(total) / time.Since(began).Seconds(), err
}

// kernelLoop compares codes at random places, a list of links at a time.
type kernelLoop struct {
	codes  []byte
	stride int
	at     []uint32
}

const (
	kernelLists  = 4096 // lists of links
	kernelLinks  = 16   // rows in each
	kernelPasses = 8
)

func newKernelLoop(s *Set) *kernelLoop {
	l := &kernelLoop{stride: memoryOfCodes(s.Base.Dimensions, 0).code, at: make([]uint32, kernelLists*kernelLinks)}
	l.codes = make([]byte, s.Base.Rows*l.stride)
	random := rand.New(rand.NewPCG(madeSeed, 1))
	for i := range l.codes {
		l.codes[i] = byte(i * 31)
	}
	for i := range l.at {
		l.at[i] = uint32(random.IntN(s.Base.Rows))
	}
	return l
}

// on returns the rows a second of so many cores.
func (l *kernelLoop) on(cores int) float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	var group errgroup.Group
	began := time.Now()
	for core := range cores {
		group.Go(func() error {
			var query vek.Int8
			query.SetCode(l.codes[:l.stride])
			var out [kernelLinks]int32
			for pass := range kernelPasses {
				for list := range kernelLists {
					from := (list + core*kernelLists/cores + pass) % kernelLists * kernelLinks
					vek.DotCodesAt(&query, l.codes, l.stride, l.at[from:from+kernelLinks], out[:])
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		panic(errors.Join(errors.New("ann: kernels do not fail"), err))
	}
	return float64(cores*kernelPasses*kernelLists*kernelLinks) / time.Since(began).Seconds()
}
