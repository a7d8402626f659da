package ann

import (
	"context"
	"runtime"
)

// BuildRow is what building takes.
type BuildRow struct {
	Cores int `json:"cores"`
	Built
}

// Builds measures how long engines build, on one core and on all, in turns.
func Builds(ctx context.Context, s *Set, names []string, rounds int, o Options, tell Tell) ([]BuildRow, error) {
	cores := []int{1}
	if all := runtime.GOMAXPROCS(0); all > 1 {
		cores = append(cores, all)
	}
	turns := map[BuildRow][]Built{} // by name and cores
	var order []BuildRow
	for round := range rounds {
		for _, n := range cores {
			for _, name := range names {
				key := BuildRow{Cores: n, Built: Built{Engine: name}}
				if round == 0 {
					order = append(order, key)
				}
				tell.say("round %d of %d: %s on %d cores", round+1, rounds, name, n)
				built, err := buildOn(ctx, n, name, s, o)
				if err != nil {
					return nil, err
				}
				turns[key] = append(turns[key], built)
			}
		}
	}
	for i, key := range order {
		t := turns[key]
		order[i].Seconds = medianOf(t, func(b *Built) float64 { return b.Seconds })
		order[i].CPUSeconds = medianOf(t, func(b *Built) float64 { return b.CPUSeconds })
		order[i].MemoryBytes = int64(medianOf(t, func(b *Built) float64 { return float64(b.MemoryBytes) }))
	}
	return order, nil
}

func buildOn(ctx context.Context, cores int, name string, s *Set, o Options) (Built, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	o.Workers = cores
	e, built, err := Build(ctx, name, s, o)
	if err != nil {
		return Built{}, err
	}
	return built, e.Close()
}
