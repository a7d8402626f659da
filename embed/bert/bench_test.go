package bert

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// words returns a text of n words of one token each.
func words(n int, rng *rand.Rand) string {
	common := strings.Fields("the of and in to was is for as on with by at from it an be are his this which or had not but one have new first two their after who its time about into only some other year world used part made city work state over war high river area small large name known group house north south line book film music game team")
	var b strings.Builder
	for range n {
		b.WriteString(common[rng.IntN(len(common))])
		b.WriteByte(' ')
	}
	return b.String()
}

// BenchmarkEmbed measures 32 texts of 128 tokens a call, in texts a second, and
// the wait for one text of 16 tokens. `-cpu 1` gives the figures of one core.
//
// To compare with another engine, give both one core (`taskset -c 0`), texts of
// the same number of tokens, 32 a call, and run them in turn, several times
// over, in one session; only ratios count on a machine that does other work too:
//
//	go test -c -o /tmp/bert.test ./embed/bert
//	for i in 1 2 3 4 5; do
//		taskset -c 0 /tmp/bert.test -test.run '^$' -test.bench Embed -test.cpu 1 -test.benchtime 3x
//		taskset -c 0 OTHER_ENGINE
//	done
func BenchmarkEmbed(b *testing.B) {
	codes, err := Open(modelDir(b), Options{Precision: Int8})
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	batch := make([]string, 32)
	for i := range batch {
		batch[i] = words(126, rng)
	}
	for _, k := range sets {
		for _, e := range []*Encoder{openReal(b).with(k), codes.with(k)} {
			name := k.name + "/" + string(e.precision)
			b.Run(name+"/32x128", func(b *testing.B) { benchmarkEmbed(b, e, batch) })
			b.Run(name+"/1x16", func(b *testing.B) { benchmarkEmbed(b, e, []string{words(14, rng)}) })
		}
	}
}

func benchmarkEmbed(b *testing.B, e *Encoder, texts []string) {
	for b.Loop() {
		if _, err := e.Embed(context.Background(), texts); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(texts))/b.Elapsed().Seconds(), "texts/s")
}

// BenchmarkMultiply measures the products of the model's layers in
// GFLOP/s; rowBlock and depthBlock are chosen by it.
func BenchmarkMultiply(b *testing.B) {
	for _, k := range sets {
		for _, shape := range [][2]int{{384, 1152}, {384, 384}, {384, 1536}, {1536, 384}} {
			b.Run(fmt.Sprintf("%s/256x%dx%d", k.name, shape[0], shape[1]), func(b *testing.B) {
				const rows = 256
				grid := func(columns int) matrix {
					return matrix{make([]float32, rows*(columns+skew)), columns + skew}
				}
				a, w, c := grid(shape[0]), newPanels(shape[0], shape[1]), grid(shape[1])
				for b.Loop() {
					k.multiply(rows, a, w, matrix{values: make([]float32, shape[1])}, c)
				}
				flops := 2 * float64(rows) * float64(shape[0]) * float64(shape[1]) * float64(b.N)
				b.ReportMetric(flops/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

func BenchmarkTokenize(b *testing.B) {
	tok := realTokenizer(b)
	text := words(20000, rand.New(rand.NewPCG(1, 1)))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := tok.encode(context.Background(), text, 256); err != nil {
			b.Fatal(err)
		}
	}
}
