package index

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"nearside/fault"
	"nearside/index/filter"
)

// A snapshot of Memory is lines of JSON: the head, a line for each record of the
// newest state, and the SHA-256 of all of that.
const memoryFormat = "nearside memory snapshot 1"

type memoryHead struct {
	Format     string         `json:"format"`
	Dimensions int            `json:"dimensions"`
	Metric     Metric         `json:"metric"`
	Sequence   Sequence       `json:"sequence"`
	Mutation   string         `json:"mutation"`
	Time       time.Time      `json:"time"`
	Changed    int            `json:"changed"`
	Metadata   []memoryColumn `json:"metadata_indexes"`
	Records    int            `json:"records"`
}

type memoryColumn struct {
	Property   string      `json:"property"`
	Type       filter.Type `json:"type"`
	Created    Sequence    `json:"created"`
	Backfilled bool        `json:"backfilled"`
}

type memoryRecord struct {
	ID        VectorID        `json:"id"`
	Namespace string          `json:"namespace"`
	Values    []float32       `json:"values"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
	Title     string          `json:"title"`
	Text      string          `json:"text"`
	Born      Sequence        `json:"born"`
}

type memoryEnd struct {
	SHA256 string `json:"sha256"`
}

// Snapshot writes a copy of the newest state.
func (h *memoryHandle) Snapshot(ctx context.Context, w io.Writer) (Sequence, error) {
	lines, state, err := h.copy(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := w.Write(lines); err != nil {
		return 0, err
	}
	return state, nil
}

// copy returns the snapshot of the newest state, so that writers wait for the copying and not for w.
func (h *memoryHandle) copy(ctx context.Context) ([]byte, Sequence, error) {
	x := h.index
	x.mu.RLock()
	defer x.mu.RUnlock()
	if err := h.usable(ctx); err != nil {
		return nil, 0, err
	}
	last := x.states[len(x.states)-1]
	shown := x.visible(Scope{}, last.Sequence)
	head := memoryHead{
		Format: memoryFormat, Dimensions: x.config.Dimensions, Metric: x.config.Metric,
		Sequence: last.Sequence, Mutation: last.ID, Time: last.Time, Changed: last.Changed, Records: len(shown),
	}
	for _, m := range x.metadata {
		if existed(m.created, m.died, last.Sequence) {
			head.Metadata = append(head.Metadata, memoryColumn{m.Property, m.Type, m.created, m.backfilled})
		}
	}
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	enc.SetEscapeHTML(false) // metadata keeps its bytes
	errs := []error{enc.Encode(head)}
	for _, v := range shown {
		errs = append(errs, enc.Encode(memoryRecord{v.ID, v.Namespace, v.Values, v.Metadata, v.Title, v.Text, v.born}))
	}
	sum := sha256.Sum256(lines.Bytes())
	errs = append(errs, enc.Encode(memoryEnd{hex.EncodeToString(sum[:])}))
	return lines.Bytes(), last.Sequence, errors.Join(errs...)
}

// readMemory reads what Snapshot wrote.
func readMemory(src io.Reader) (*memoryIndex, error) {
	all, err := io.ReadAll(src)
	if err != nil {
		return nil, err
	}
	body, err := verified(all)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	var head memoryHead
	if err := dec.Decode(&head); err != nil || head.Format != memoryFormat {
		return nil, fault.New(fault.Corrupt, "the snapshot begins with format %q instead of %q", head.Format, memoryFormat)
	}
	x := &memoryIndex{
		config: Config{Dimensions: head.Dimensions, Metric: head.Metric},
		alive:  map[VectorID]*version{},
		states: []Mutation{{ID: head.Mutation, Sequence: head.Sequence, Time: head.Time, Changed: head.Changed}},
	}
	for _, c := range head.Metadata {
		x.metadata = append(x.metadata, &metadataVersion{MetadataIndex: MetadataIndex{c.Property, c.Type}, backfilled: c.Backfilled, created: c.Created})
	}
	for range head.Records {
		var r memoryRecord
		if err := dec.Decode(&r); err != nil {
			return nil, fault.New(fault.Corrupt, "the snapshot promises %d records and holds %d", head.Records, len(x.versions)).Because(err)
		}
		v := &version{Record: Record{r.ID, r.Namespace, r.Values, r.Metadata, r.Title, r.Text}, born: r.Born}
		x.versions = append(x.versions, v)
		x.alive[v.ID] = v
	}
	return x, nil
}

// verified returns the lines before the last one, which has their checksum.
func verified(all []byte) ([]byte, error) {
	damaged := fault.New(fault.Corrupt, "the snapshot of %d bytes is damaged or cut short: its checksum is wrong", len(all))
	text, whole := strings.CutSuffix(string(all), "\n")
	end := strings.LastIndexByte(text, '\n') + 1
	var claimed memoryEnd
	if !whole || json.Unmarshal([]byte(text[end:]), &claimed) != nil {
		return nil, damaged
	}
	sum := sha256.Sum256(all[:end])
	if claimed.SHA256 != hex.EncodeToString(sum[:]) {
		return nil, damaged
	}
	return all[:end], nil
}
