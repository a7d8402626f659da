package router

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nearside/disk"
	"nearside/llm/neuron"
)

// DurableRow is what durability costs on one disk.
type DurableRow struct {
	FsyncP50  float64      `json:"fsync_p50_ms"` // one page written at a file's end, and synced
	FsyncP99  float64      `json:"fsync_p99_ms"`
	SettleP50 float64      `json:"settle_p50_ms"` // one charge, by one caller
	SettleP99 float64      `json:"settle_p99_ms"`
	Charges   []ChargesRow `json:"charges"`
}

// ChargesRow is how many charges a ledger takes.
type ChargesRow struct {
	Callers   int     `json:"callers"`
	PerSecond float64 `json:"per_second"`
}

// Durable measures syncs and charges, in turns, in a directory of its own below dir.
func Durable(ctx context.Context, dir string, callers []int, rounds int) (row DurableRow, err error) {
	path, err := os.MkdirTemp(dir, "charges-")
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(path)) }()
	data, err := disk.OpenDir(filepath.Join(path, "data"), disk.Options{})
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	ledger, err := neuron.Open(data, neuron.Options{})
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	row.Charges = make([]ChargesRow, len(callers))
	rates := make([][]float64, len(callers))
	var syncs, settles []float64
	for range rounds {
		if syncs, err = syncing(path, syncs); err != nil {
			return row, err
		}
		for i, n := range callers {
			took, rate, err := charging(ctx, ledger, n)
			if err != nil {
				return row, err
			}
			rates[i] = append(rates[i], rate)
			if n == 1 {
				settles = append(settles, took...)
			}
		}
	}
	for i, n := range callers {
		row.Charges[i] = ChargesRow{n, at(rates[i], .5)}
	}
	row.FsyncP50, row.FsyncP99, row.SettleP50, row.SettleP99 = at(syncs, .5), at(syncs, .99), at(settles, .5), at(settles, .99)
	return row, ctx.Err()
}

// How often a round syncs, and charges for each caller.
const (
	syncsARound   = 100
	chargesARound = 100
)

// syncing adds what it takes to append a page and to sync it.
func syncing(dir string, took []float64) ([]float64, error) {
	f, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return took, err
	}
	page := make([]byte, 4096)
	for range syncsARound {
		began := time.Now()
		_, err := f.Write(page)
		if err = errors.Join(err, f.Sync()); err != nil {
			return took, errors.Join(err, f.Close())
		}
		took = append(took, milliseconds(time.Since(began)))
	}
	return took, f.Close()
}

// charging has callers settle calls, and returns what each charge took and how many there were a second.
func charging(ctx context.Context, ledger *neuron.Ledger, callers int) (took []float64, rate float64, err error) {
	tariff, err := neuron.NewTariff([]neuron.Price{{Unit: neuron.InputTokens, USD: "0.100", Neurons: "9091"}, {Unit: neuron.OutputTokens, USD: "0.300", Neurons: "27273"}})
	if err != nil {
		return nil, 0, err
	}
	call, used := neuron.Call{Payer: neuron.Payer{Account: "local"}, Model: "@bench/model", Tariff: tariff}, neuron.Tokens(100, 0, 50)
	total := chargesARound * callers
	each := make([]float64, total)
	var next atomic.Int64
	var group errgroup.Group
	began := time.Now()
	for range callers {
		group.Go(func() error {
			for i := next.Add(1) - 1; i < int64(total); i = next.Add(1) - 1 {
				start := time.Now()
				reservation, err := ledger.Reserve(ctx, call, used)
				if err != nil {
					return err
				}
				if _, err := reservation.Settle(ctx, used); err != nil {
					return err
				}
				each[i] = milliseconds(time.Since(start))
			}
			return nil
		})
	}
	err = group.Wait()
	return each, float64(total) / time.Since(began).Seconds(), err
}
