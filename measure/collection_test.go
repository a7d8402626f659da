package measure_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/measure"
)

const (
	twoDocuments = `{"id":"d1","title":"One","text":"first","metadata":{"lang":"en","year":1999,"draft":true}}
{"id":"d2","title":"","text":"zweiter","metadata":{"lang":"de"}}
`
	twoQueries = `{"id":"q1","text":"which?","metadata":{"lang":"en"}}
{"id":"q2","text":"welcher?","metadata":{"lang":"de"}}
`
	twoJudgements = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\nq2\td1\t0\n"
)

func collection(t *testing.T, corpus, queries, qrels string) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("corpus.jsonl.gz", zipped(t, corpus))
	write("queries.jsonl.gz", zipped(t, queries))
	write("qrels.tsv", []byte(qrels))
	return dir
}

func zipped(t *testing.T, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOpenReadsDocumentsQueriesAndGrades(t *testing.T) {
	c, err := measure.Open(collection(t, twoDocuments, "\n"+twoQueries, strings.ReplaceAll(twoJudgements, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Documents) != 2 || c.Documents[0].Content() != "One first" || c.Documents[1].Content() != "zweiter" {
		t.Errorf("documents: %+v", c.Documents)
	}
	if len(c.Queries) != 2 || c.Judgements["q2"]["d2"] != 2 {
		t.Errorf("queries %+v, judgements %v", c.Queries, c.Judgements)
	}
}

func TestWhereKeepsWhatMeetsEveryCondition(t *testing.T) {
	dir := collection(t, twoDocuments, twoQueries, twoJudgements)
	c, err := measure.Open(dir, measure.Where{Property: "lang", Value: "de"})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Documents) != 1 || len(c.Queries) != 1 || len(c.Judgements) != 1 || len(c.Judgements["q2"]) != 1 {
		t.Errorf("got %+v", c)
	}
	if _, err := measure.Open(dir, measure.Where{Property: "lang", Value: "fr"}); err == nil || !strings.Contains(err.Error(), "{lang fr}") {
		t.Errorf("an empty rest: got %v", err)
	}
}

func TestWhereComparesNumbersAndBooleansAsWritten(t *testing.T) {
	queries := `{"id":"q1","text":"?","metadata":{"year":1999,"draft":true}}`
	dir := collection(t, twoDocuments, queries, "a\tb\tc\nq1\td1\t1\n")
	for _, where := range []string{"year=1999", "draft=true"} {
		w, err := measure.ParseWhere(where)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := measure.Open(dir, w); err != nil || len(c.Documents) != 1 {
			t.Errorf("%s: %v, %v", where, c, err)
		}
	}
	for _, wrong := range []string{"", "lang", "=en"} {
		if _, err := measure.ParseWhere(wrong); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v", wrong, err)
		}
	}
}

func TestACollectionThatContradictsItselfIsRefusedByFileAndLine(t *testing.T) {
	head := "query-id\tcorpus-id\tscore\n"
	tests := map[string]struct{ corpus, queries, qrels, want string }{
		"no JSON":           {"{}\n{", twoQueries, twoJudgements, `corpus.jsonl.gz:1: has no "id"`},
		"broken JSON":       {twoDocuments + "{\n", twoQueries, twoJudgements, "corpus.jsonl.gz:3: is not the JSON"},
		"document twice":    {twoDocuments + `{"id":"d1"}`, twoQueries, twoJudgements, `corpus.jsonl.gz:3: id "d1" stands in line 1`},
		"query twice":       {twoDocuments, twoQueries + twoQueries, twoJudgements, `queries.jsonl.gz:3: id "q1" stands in line 1`},
		"query without":     {twoDocuments, `{"id":"q1"}`, twoJudgements, `queries.jsonl.gz:1: "q1" has no "text"`},
		"no header":         {twoDocuments, twoQueries, "q1\td1\t1\n", "qrels.tsv:1: is"},
		"two fields":        {twoDocuments, twoQueries, head + "q1 d1\t1\n", "qrels.tsv:2: has 2 fields"},
		"grade in words":    {twoDocuments, twoQueries, head + "q1\td1\tgood\n", `qrels.tsv:2: score "good"`},
		"unknown document":  {twoDocuments, twoQueries, head + "q1\td9\t1\n", `qrels.tsv:2: document "d9" is not in corpus.jsonl.gz`},
		"unknown query":     {twoDocuments, twoQueries, head + "q9\td1\t1\n", `qrels.tsv:2: query "q9" is not in queries.jsonl.gz`},
		"judged twice":      {twoDocuments, twoQueries, head + "q1\td1\t1\n\nq1\td1\t1\n", "qrels.tsv:4: document"},
		"nothing judged":    {twoDocuments, twoQueries, head, "2 documents and 0 judged questions"},
		"nothing at all":    {"", "", "", "0 documents and 0 judged questions"},
		"a line too long":   {`{"id":"` + strings.Repeat("x", 17<<20), twoQueries, twoJudgements, "corpus.jsonl.gz:1 cannot be read"},
		"a number as an id": {`{"id":7}`, twoQueries, twoJudgements, "corpus.jsonl.gz:1: is not the JSON"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := measure.Open(collection(t, test.corpus, test.queries, test.qrels))
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestAMissingOrBrokenFileIsNamed(t *testing.T) {
	for _, name := range []string{"corpus.jsonl.gz", "queries.jsonl.gz", "qrels.tsv"} {
		dir := collection(t, twoDocuments, twoQueries, twoJudgements)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := measure.Open(dir); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "no "+name) {
			t.Errorf("%s absent: got %v", name, err)
		}
	}
	dir := collection(t, twoDocuments, twoQueries, twoJudgements)
	path := filepath.Join(dir, "corpus.jsonl.gz")
	whole := zipped(t, twoDocuments)
	for what, content := range map[string][]byte{"is not a gzip file": []byte("plain"), "cannot be read": whole[:len(whole)-9]} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := measure.Open(dir); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), what) {
			t.Errorf("want %q, got %v", what, err)
		}
	}
}
