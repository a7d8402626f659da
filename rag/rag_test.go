package rag_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/disk"
	"nearside/embed"
	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
	"nearside/llm"
	"nearside/llm/neuron"
	"nearside/llm/neuron/neurontest"
	"nearside/rag"
	"nearside/vectorize"
)

const (
	minilm  = "@nearside/all-minilm-l6-v2"
	bgeBase = "@cf/baai/bge-base-en-v1.5"
	lexical = "@nearside/lexical-hash"
	account = "local"
)

var payer = neuron.Payer{Account: account}

// words embeds a text to the sum of its words' axes: texts are near when they
// share words. It reads 8 words, one token each.
type words struct {
	model       string
	fingerprint embed.Fingerprint
	during      func()                // is called in every Embed
	fail        func() error          // an error of it is Embed's
	first       int                   // the axis of the first word
	axis        func(word string) int // nil: they are given out one after the other

	mu   sync.Mutex // guards axes
	axes map[string]int
}

func newWords(model, fingerprint string) *words {
	return &words{model: model, fingerprint: embed.Fingerprint(fingerprint), axes: map[string]int{}}
}

// hashed has words on axes that depend on nothing but the word, whoever asks first.
func hashed(w *words) *words {
	w.axis = func(word string) int {
		h := fnv.New32a()
		fmt.Fprint(h, word)
		return int(h.Sum32() % 1000)
	}
	return w
}

// rotated has words on other axes.
func (w *words) rotated(by int) *words {
	w.first = by
	return w
}

func (w *words) Model() string                  { return w.model }
func (w *words) Fingerprint() embed.Fingerprint { return w.fingerprint }
func (w *words) Dimensions() int                { return 384 }
func (w *words) Window() int                    { return 8 }
func (w *words) Embed(ctx context.Context, texts []string) ([]embed.Embedding, error) {
	if w.during != nil {
		w.during()
	}
	if w.fail != nil {
		if err := w.fail(); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]embed.Embedding, len(texts))
	for i, text := range texts {
		fields := strings.Fields(strings.ToLower(text))
		read := fields[:min(len(fields), 8)]
		out[i] = embed.Embedding{Values: make([]float32, 384), Tokens: len(read), Dropped: len(fields) - len(read)}
		for _, word := range read {
			if _, known := w.axes[word]; !known && w.axis != nil {
				w.axes[word] = (w.first + w.axis(word)) % 384
			} else if !known {
				w.axes[word] = (w.first + len(w.axes)) % 384
			}
			out[i].Values[w.axes[word]]++
		}
	}
	return out, nil
}

// world is everything below rag, in a directory of its own.
type world struct {
	t       *testing.T
	catalog *catalog.Catalog
	engine  *index.Memory
	indexes *vectorize.Service
	models  *llm.Catalogue
	ledger  *neuron.Ledger
}

func newWorld(t *testing.T) *world {
	t.Helper()
	source, err := os.ReadFile("../models.yaml")
	if err != nil {
		t.Fatal(err)
	}
	models, err := llm.Load(source)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := disk.OpenDir(t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := catalog.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	engine := index.NewMemory(time.Now)
	indexes, err := vectorize.Open(t.Context(), files, engine, vectorize.Options{Limits: vectorize.Cloudflare()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, closing := range []func() error{engine.Close, files.Close, dir.Close} {
			if err := closing(); err != nil {
				t.Error(err)
			}
		}
	})
	return &world{t, files, engine, indexes, models, neurontest.Open(t, neuron.Options{})}
}

// service is rag over the world with the given weights.
func (w *world) service(embedders ...embed.Embedder) *rag.Service {
	w.t.Helper()
	_, s := w.routed(embedders...)
	return s
}

// routed is service, with its router.
func (w *world) routed(embedders ...embed.Embedder) (*llm.Router, *rag.Service) {
	w.t.Helper()
	router, err := llm.NewRouter(llm.Options{Catalogue: w.models, Embedders: embedders, Pins: rag.Pins{Catalog: w.catalog}, Ledger: w.ledger})
	if err != nil {
		w.t.Fatal(err)
	}
	return router, rag.New(w.indexes, router, w.catalog)
}

func (w *world) count(name string) int {
	w.t.Helper()
	x, err := w.indexes.Open(w.t.Context(), account, name)
	if err != nil {
		w.t.Fatal(err)
	}
	info, err := x.Info(w.t.Context(), index.Read{})
	if err != nil {
		w.t.Fatal(err)
	}
	return info.Count
}

var shop = []rag.Text{
	{ID: "refund", Title: "Refunds", Text: "you get your money back within thirty days"},
	{ID: "hours", Title: "Opening hours", Text: "the shop opens at nine", Namespace: "eu", Metadata: json.RawMessage(`{"kind":"hours"}`)},
	{ID: "post", Text: "parcels leave every morning", Metadata: json.RawMessage(`{"kind":"post"}`)},
}

// filled makes an index for texts with the shop in it.
func filled(t *testing.T) (*world, *rag.Service) {
	t.Helper()
	w := newWorld(t)
	s := w.service(newWords(minilm, "minilm-1"))
	if _, _, err := s.Create(t.Context(), account, rag.Definition{Name: "shop", Model: minilm}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Upsert(t.Context(), payer, "shop", shop, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	return w, s
}

func TestAQuestionFindsThePassageWithTitleTextAndMetadata(t *testing.T) {
	_, s := filled(t)
	answer, err := s.Search(t.Context(), payer, "shop", rag.Query{Text: "when opens the shop", TopK: 2, Metadata: index.AllMetadata}, index.Read{})
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Matches) != 2 || !answer.Explain.Exhaustive {
		t.Fatalf("got %+v", answer.Result)
	}
	best := answer.Matches[0]
	if best.ID != "hours" || best.Title != "Opening hours" || best.Text != "the shop opens at nine" || best.Namespace != "eu" || string(best.Metadata) != `{"kind":"hours"}` {
		t.Errorf("got %+v", best)
	}
}

func TestTheTitleIsEmbeddedToo(t *testing.T) {
	_, s := filled(t)
	answer, err := s.Search(t.Context(), payer, "shop", rag.Query{Text: "refunds", TopK: 1}, index.Read{})
	if err != nil || answer.Matches[0].ID != "refund" || answer.Matches[0].Score <= 0 {
		t.Errorf("got %+v, %v", answer.Matches, err)
	}
}

func TestNamespaceFilterAndScopeNarrowTheSearch(t *testing.T) {
	w, s := filled(t)
	x, err := w.indexes.Open(t.Context(), account, "shop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.CreateMetadataIndex(t.Context(), index.MetadataIndex{Property: "kind", Type: filter.String}, true); err != nil {
		t.Fatal(err)
	}
	post, err := filter.Parse([]byte(`{"kind":"post"}`))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(q rag.Query, r index.Read) string {
		q.Text, q.TopK = "the shop opens", 10
		answer, err := s.Search(t.Context(), payer, "shop", q, r)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, m := range answer.Matches {
			ids = append(ids, string(m.ID))
		}
		return strings.Join(ids, " ")
	}
	if got := ask(rag.Query{Namespace: "eu"}, index.Read{}); got != "hours" {
		t.Errorf("namespace: %s", got)
	}
	if got := ask(rag.Query{Filter: post}, index.Read{}); got != "post" {
		t.Errorf("filter: %s", got)
	}
	if got := ask(rag.Query{}, index.Read{Within: index.Scope{Namespaces: []string{"eu"}}}); got != "hours" {
		t.Errorf("scope: %s", got)
	}
}

func TestLongTextsAreStoredWholeAndReported(t *testing.T) {
	w := newWorld(t)
	s := w.service(newWords(minilm, "minilm-1"))
	if _, _, err := s.Create(t.Context(), account, rag.Definition{Name: "notes", Model: minilm}); err != nil {
		t.Fatal(err)
	}
	long := "one two three four five six seven eight nine ten"
	receipt, err := s.Upsert(t.Context(), payer, "notes", []rag.Text{{ID: "short", Text: "one"}, {ID: "long", Text: long}}, index.Scope{})
	if err != nil || fmt.Sprint(receipt.Truncated) != "[{long 2}]" || receipt.Mutation.Changed != 2 || receipt.Mutation.ID == "" {
		t.Errorf("got %+v, %v", receipt, err)
	}
	answer, err := s.Search(t.Context(), payer, "notes", rag.Query{Text: long, TopK: 1}, index.Read{})
	if err != nil || answer.Dropped != 2 || answer.Matches[0].Text != long {
		t.Errorf("got %+v, %v", answer, err)
	}
}

func TestNothingOfARefusedBatchStays(t *testing.T) {
	w, s := filled(t)
	tests := map[string]struct {
		last   rag.Text
		reason fault.Reason
	}{
		"no id":               {rag.Text{Text: "x"}, rag.ReasonText},
		"an empty text":       {rag.Text{ID: "x"}, rag.ReasonText},
		"white space":         {rag.Text{ID: "x", Text: " \n"}, rag.ReasonText},
		"a text too long":     {rag.Text{ID: "x", Text: strings.Repeat("x", rag.MaxTextBytes+1)}, rag.ReasonText},
		"a title too long":    {rag.Text{ID: "x", Text: "x", Title: strings.Repeat("x", rag.MaxTitleBytes+1)}, rag.ReasonText},
		"an id too long":      {rag.Text{ID: index.VectorID(strings.Repeat("x", 65)), Text: "x"}, vectorize.ReasonID},
		"a long namespace":    {rag.Text{ID: "x", Text: "x", Namespace: strings.Repeat("x", 65)}, vectorize.ReasonNamespace},
		"metadata too large":  {rag.Text{ID: "x", Text: "x", Metadata: json.RawMessage(`{"a":"` + strings.Repeat("x", 10<<10) + `"}`)}, vectorize.ReasonMetadata},
		"a bad metadata key":  {rag.Text{ID: "x", Text: "x", Metadata: json.RawMessage(`{"$a":1}`)}, vectorize.ReasonMetadataKey},
		"a thousand ids long": {rag.Text{ID: index.VectorID(strings.Repeat("é", 32_000)), Text: ""}, rag.ReasonText},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			batch := []rag.Text{{ID: "new", Text: "fine"}, test.last}
			_, err := s.Upsert(t.Context(), payer, "shop", batch, index.Scope{})
			if f := fault.As(err); f == nil || f.Reason != test.reason || len(f.Message) > 500 {
				t.Errorf("got %v", err)
			}
			if n := w.count("shop"); n != len(shop) {
				t.Errorf("%d records afterwards, want %d", n, len(shop))
			}
		})
	}
}

func TestBatchesHaveALimit(t *testing.T) {
	w, s := filled(t)
	batch := func(n int) []rag.Text {
		texts := make([]rag.Text, n)
		for i := range texts {
			texts[i] = rag.Text{ID: index.VectorID(fmt.Sprint(i)), Text: "x"}
		}
		return texts
	}
	for _, n := range []int{0, rag.MaxTexts + 1, 1000 * rag.MaxTexts} {
		if _, err := s.Upsert(t.Context(), payer, "shop", batch(n), index.Scope{}); fault.As(err) == nil || fault.As(err).Reason != rag.ReasonTexts {
			t.Errorf("%d texts: got %v", n, err)
		}
	}
	for _, n := range []int{rag.MaxTexts - 1, rag.MaxTexts} {
		if _, err := s.Upsert(t.Context(), payer, "shop", batch(n), index.Scope{}); err != nil {
			t.Errorf("%d texts: %v", n, err)
		}
		if got := w.count("shop"); got != len(shop)+n {
			t.Errorf("%d texts: %d records", n, got)
		}
	}
}

func TestOtherWeightsAreRefusedWithBothNames(t *testing.T) {
	w, _ := filled(t)
	for _, other := range []embed.Embedder{newWords(minilm, "minilm-2"), newWords(embed.LexicalModel, "lexical-1")} {
		s := w.service(other)
		_, searching := s.Search(t.Context(), payer, "shop", rag.Query{Text: "shop", TopK: 1}, index.Read{})
		_, storing := s.Upsert(t.Context(), payer, "shop", shop, index.Scope{})
		for _, err := range []error{searching, storing} {
			f := fault.As(err)
			if f == nil || f.Reason != llm.ReasonPinned || !strings.Contains(f.Message, "minilm-1") ||
				!strings.Contains(f.Message, string(other.Fingerprint())) || !strings.Contains(f.Message, `index "shop"`) {
				t.Errorf("%s: got %v", other.Fingerprint(), err)
			}
		}
	}
}

func TestAnIndexGoesOnWithItsWeightsWhenBetterOnesAppear(t *testing.T) {
	w := newWorld(t)
	lexical := newWords(embed.LexicalModel, "lexical-1")
	if _, weights, err := w.service(lexical).Create(t.Context(), account, rag.Definition{Name: "shop", Model: minilm}); err != nil || weights.Served != embed.LexicalModel || weights.Warning == "" {
		t.Fatalf("got %+v, %v", weights, err)
	}
	receipt, err := w.service(lexical, newWords(minilm, "minilm-1")).Upsert(t.Context(), payer, "shop", shop, index.Scope{})
	if err != nil || receipt.Embedded.Served != embed.LexicalModel || !strings.Contains(receipt.Embedded.Warning, "nearside reembed INDEX") {
		t.Errorf("got %+v, %v", receipt.Embedded, err)
	}
}

func TestAnIndexFromATextPresetIsBoundByItsFirstText(t *testing.T) {
	w := newWorld(t)
	s := w.service(newWords(minilm, "minilm-1"))
	if _, err := w.indexes.Create(t.Context(), account, vectorize.Definition{Name: "preset", Preset: bgeBase}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Search(t.Context(), payer, "preset", rag.Query{Text: "anything", TopK: 1}, index.Read{}); err != nil {
		t.Errorf("search before the first text: %v", err)
	}
	if x, err := w.indexes.Describe(account, "preset"); err != nil || x.Fingerprint != "" {
		t.Errorf("a search bound the index: %+v, %v", x, err)
	}
	if _, err := s.Upsert(t.Context(), payer, "preset", shop, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	x, err := w.indexes.Describe(account, "preset")
	if err != nil || x.Model != bgeBase || !strings.HasPrefix(x.Fingerprint, "minilm-1") {
		t.Errorf("got %+v, %v", x, err)
	}
	if _, err := w.service(newWords(minilm, "minilm-2")).Upsert(t.Context(), payer, "preset", shop, index.Scope{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("other weights: got %v", err)
	}
}

func TestIndexesWithoutAModelOfOursTakeNoTexts(t *testing.T) {
	w := newWorld(t)
	s := w.service(newWords(minilm, "minilm-1"))
	for name, d := range map[string]vectorize.Definition{
		"plain": {Name: "plain", Dimensions: 384, Metric: index.Cosine},
		"ada":   {Name: "ada", Preset: "openai/text-embedding-ada-002"},
	} {
		if _, err := w.indexes.Create(t.Context(), account, d); err != nil {
			t.Fatal(err)
		}
		_, storing := s.Upsert(t.Context(), payer, name, shop, index.Scope{})
		_, searching := s.Search(t.Context(), payer, name, rag.Query{Text: "x", TopK: 1}, index.Read{})
		for _, err := range []error{storing, searching} {
			if f := fault.As(err); f == nil || f.Reason != rag.ReasonNoModel || !strings.Contains(f.Message, "nearside index create") {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
}

func TestQuestionsHaveLimitsToo(t *testing.T) {
	_, s := filled(t)
	for text, ok := range map[string]bool{"": false, " \t": false, "x": true, strings.Repeat("x", rag.MaxQueryBytes): true, strings.Repeat("x", rag.MaxQueryBytes+1): false} {
		_, err := s.Search(t.Context(), payer, "shop", rag.Query{Text: text, TopK: 1}, index.Read{})
		if (err == nil) != ok {
			t.Errorf("a question of %d bytes: %v", len(text), err)
		}
	}
	for topK, ok := range map[int]bool{0: false, 1: true, 100: true, 101: false} {
		_, err := s.Search(t.Context(), payer, "shop", rag.Query{Text: "x", TopK: topK}, index.Read{})
		if (err == nil) != ok {
			t.Errorf("topK %d: %v", topK, err)
		}
	}
}

func TestUnknownIndexesAndModelsAreNamed(t *testing.T) {
	w := newWorld(t)
	s := w.service(newWords(minilm, "minilm-1"))
	if _, err := s.Upsert(t.Context(), payer, "nowhere", shop, index.Scope{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if _, _, err := s.Create(t.Context(), account, rag.Definition{Name: "notes", Model: "@cf/x/y"}); fault.As(err) == nil || fault.As(err).Reason != llm.ReasonModel {
		t.Errorf("got %v", err)
	}
	if _, _, err := s.Create(t.Context(), account, rag.Definition{Name: "notes", Model: "@cf/pfnet/plamo-embedding-1b"}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a model that nothing serves: got %v", err)
	}
}

func TestACanceledUploadStoresNothing(t *testing.T) {
	w, s := filled(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Upsert(ctx, payer, "shop", []rag.Text{{ID: "new", Text: "x"}}, index.Scope{}); err == nil {
		t.Error("a canceled upload was acknowledged")
	}
	if n := w.count("shop"); n != len(shop) {
		t.Errorf("%d records", n)
	}
}
