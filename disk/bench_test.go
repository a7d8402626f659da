package disk_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"sync"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
)

// The figures depend on the device's sync; see BenchmarkSync for that of the machine.

func insert(blob []byte) func(tx *disk.Tx) error {
	return func(tx *disk.Tx) error { return tx.Exec(`INSERT INTO t VALUES (NULL, ?)`, blob) }
}

func BenchmarkUpdate(b *testing.B) {
	blob := make([]byte, 3072)
	rand.Read(blob)
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			db := disktest.Open(b, rows)
			b.ResetTimer()
			var work sync.WaitGroup
			for w := range writers {
				work.Go(func() {
					for i := w; i < b.N; i += writers {
						if err := db.Update(ctx, insert(blob), nil); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			work.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
		})
	}
}

func BenchmarkBulk(b *testing.B) {
	const batch = 1000
	blob := make([]byte, 3072)
	rand.Read(blob)
	db := disktest.Open(b, rows)
	b.ResetTimer()
	for range b.N {
		err := db.Update(ctx, func(tx *disk.Tx) error {
			for range batch {
				if err := insert(blob)(tx); err != nil {
					return err
				}
			}
			return nil
		}, nil)
		if err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkPointRead(b *testing.B) {
	db := disktest.Open(b, rows)
	mustChange(b, db, 200)
	b.ResetTimer()
	for range b.N {
		err := db.View(ctx, func(tx *disk.Tx) error {
			return tx.Each(`SELECT bytes FROM u WHERE id = ?`, func(*disk.Row) error { return nil }, 77)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	blob := make([]byte, 3072)
	rand.Read(blob)
	db := disktest.Open(b, rows)
	err := db.Update(ctx, func(tx *disk.Tx) error {
		for range 20_000 {
			if err := insert(blob)(tx); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(20_000 * 3072)
	b.ResetTimer()
	for range b.N {
		err := db.View(ctx, func(tx *disk.Tx) error {
			return tx.Each(`SELECT v FROM t`, func(r *disk.Row) error {
				if len(r.Blob(0)) != len(blob) {
					b.Error("cut short")
				}
				return nil
			})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSync is what one sync of three pages costs here, which is what a small
// change leaves in the log: in their place, and where they make the file longer.
func BenchmarkSync(b *testing.B) {
	const change, length = 3 * 16384, 16 << 20
	for name, grows := range map[string]bool{"in place": false, "growing": true} {
		b.Run(name, func(b *testing.B) {
			d := disktest.OpenDir(b, b.TempDir(), disk.Options{})
			f, err := d.OpenFile("file", os.O_RDWR|os.O_CREATE)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			if !grows {
				if _, err := f.Write(make([]byte, length)); err != nil {
					b.Fatal(err)
				}
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
			pages := make([]byte, change)
			b.ResetTimer()
			for i := range int64(b.N) {
				at := i * change
				if !grows {
					at %= length - change
				}
				if _, err := f.WriteAt(pages, at); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen is what one more small database costs, in time and in memory.
func BenchmarkOpen(b *testing.B) {
	d := disktest.OpenDir(b, b.TempDir(), disk.Options{})
	var all []*disk.DB
	for i := range b.N {
		db, err := d.Sub(fmt.Sprint(i)).OpenDB("records.db", rows)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, db)
	}
	b.StopTimer()
	b.ReportMetric(float64(resident(b))/float64(b.N), "resident-B/op")
	for _, db := range all {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkReopen is what opening an existing small database costs.
func BenchmarkReopen(b *testing.B) {
	d := disktest.OpenDir(b, b.TempDir(), disk.Options{})
	for range b.N {
		db, err := d.OpenDB("records.db", rows)
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
