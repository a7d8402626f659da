package command

import (
	"fmt"
	"maps"
	"slices"

	"nearside/llm"
	"nearside/workers"
)

// usedShape is what the source of a project says of vectors: how long those of the one embedding
// model are that it names. It is zero if the source names none, or several of different lengths.
type usedShape struct {
	shape devShape
	model string
	where string // file:line
}

// because tells people where the shape is from.
func (u usedShape) because() string {
	return fmt.Sprintf("because %s asks %s for vectors", u.where, u.model)
}

// usedBy looks for embedding models in the source of a project. Their vectors are compared by their cosine.
func usedBy(f *workers.File, assets Assets) (used usedShape, err error) {
	catalogue, err := builtInCatalogue(assets)
	if err != nil {
		return used, err
	}
	sources, _, err := f.Sources()
	if err != nil {
		return used, err
	}
	named := workers.ModelsNamed(sources)
	for _, id := range slices.Sorted(maps.Keys(named)) {
		m, err := catalogue.Model(id)
		switch {
		case err != nil || m.Task != llm.Embeddings || m.Dimensions == 0:
		case used.model == "":
			used = usedShape{devShape{m.Dimensions, "cosine"}, id, named[id][0]}
		case used.shape.Dimensions != m.Dimensions:
			return usedShape{}, nil
		}
	}
	return used, nil
}
