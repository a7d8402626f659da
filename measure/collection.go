package measure

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"nearside/fault"
)

// The three files of a collection.
const (
	corpusFile  = "corpus.jsonl.gz"
	queriesFile = "queries.jsonl.gz"
	qrelsFile   = "qrels.tsv"
)

// maxLineBytes bounds one document; the longest of the collections we know is 27 KB.
const maxLineBytes = 16 << 20

// DocumentID identifies a document of a collection.
type DocumentID string

// QueryID identifies a question of a collection.
type QueryID string

// Document is one passage that can be found.
type Document struct {
	ID       DocumentID     `json:"id"`
	Title    string         `json:"title"`
	Text     string         `json:"text"`
	Metadata map[string]any `json:"metadata"`
}

// Content is what is searched: title and text as one.
func (d Document) Content() string { return strings.TrimSpace(d.Title + " " + d.Text) }

// Query is one question.
type Query struct {
	ID       QueryID        `json:"id"`
	Text     string         `json:"text"`
	Metadata map[string]any `json:"metadata"`
}

// Where restricts a collection to documents and queries with a metadata value,
// such as lang=en.
type Where struct {
	Property, Value string
}

// ParseWhere reads "property=value".
func ParseWhere(s string) (Where, error) {
	property, value, ok := strings.Cut(s, "=")
	if !ok || property == "" {
		return Where{}, fault.New(fault.Invalid, "%q is not property=value; write for example lang=en", s)
	}
	return Where{property, value}, nil
}

func (w Where) holds(metadata map[string]any) bool {
	switch v := metadata[w.Property].(type) {
	case string:
		return v == w.Value
	case bool:
		return strconv.FormatBool(v) == w.Value
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64) == w.Value
	default:
		return false
	}
}

// Collection is a corpus with questions and people's judgements on which
// documents answer them.
type Collection struct {
	Documents []Document
	Queries   []Query
	// Judgements holds the grade of each judged pair; above 0 is relevant.
	Judgements map[QueryID]map[DocumentID]int
}

// Open reads the collection in dir. With where, only documents and queries
// that meet every condition are kept, with the judgements between them.
func Open(dir string, where ...Where) (*Collection, error) {
	c := &Collection{Judgements: map[QueryID]map[DocumentID]int{}}
	documents, queries := map[DocumentID]bool{}, map[QueryID]bool{}
	err := readLines(dir, corpusFile, func(d Document) (string, bool) {
		documents[d.ID] = holdsAll(where, d.Metadata)
		if documents[d.ID] {
			c.Documents = append(c.Documents, d)
		}
		return string(d.ID), true
	})
	if err != nil {
		return nil, err
	}
	err = readLines(dir, queriesFile, func(q Query) (string, bool) {
		queries[q.ID] = holdsAll(where, q.Metadata)
		if queries[q.ID] {
			c.Queries = append(c.Queries, q)
		}
		return string(q.ID), q.Text != ""
	})
	if err != nil {
		return nil, err
	}
	if err := c.readJudgements(dir, documents, queries); err != nil {
		return nil, err
	}
	return c, c.checkNotEmpty(dir, where)
}

func holdsAll(where []Where, metadata map[string]any) bool {
	for _, w := range where {
		if !w.holds(metadata) {
			return false
		}
	}
	return true
}

func (c *Collection) checkNotEmpty(dir string, where []Where) error {
	if len(c.Documents) > 0 && len(c.judgedQueries()) > 0 {
		return nil
	}
	return fault.New(fault.Invalid, "%s has %d documents and %d judged questions that meet %v; at least one of each is needed",
		dir, len(c.Documents), len(c.judgedQueries()), where)
}

// judgedQueries are the questions with at least one judgement, in order. Like
// trec_eval -c, the mean is over exactly these: a question whose judged
// documents are all irrelevant counts as 0, a question nobody judged does not count.
func (c *Collection) judgedQueries() []Query {
	var judged []Query
	for _, q := range c.Queries {
		if len(c.Judgements[q.ID]) > 0 {
			judged = append(judged, q)
		}
	}
	return judged
}

// readLines reads a gzip file of JSON lines and hands each to take, which
// returns the line's id and whether its text is acceptable.
func readLines[T any](dir, name string, take func(T) (id string, ok bool)) error {
	file, err := openFile(dir, name)
	if err != nil {
		return err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return fault.New(fault.Invalid, "%s is not a gzip file", filepath.Join(dir, name)).Because(err)
	}
	seen := map[string]int{}
	return eachLine(unzipped, filepath.Join(dir, name), func(line string, number int) error {
		var value T
		if err := json.Unmarshal([]byte(line), &value); err != nil {
			return fault.New(fault.Invalid, "is not the JSON of one entry").Because(err)
		}
		id, ok := take(value)
		if id == "" {
			return fault.New(fault.Invalid, `has no "id"`)
		}
		if !ok {
			return fault.New(fault.Invalid, `%q has no "text"`, id)
		}
		if first, twice := seen[id]; twice {
			return fault.New(fault.Invalid, "id %q stands in line %d already; ids must differ", id, first)
		}
		seen[id] = number
		return nil
	})
}

// readJudgements reads qrels.tsv: a header line, then query, document and
// grade with tabs between. The maps say which ids exist and whether they are kept.
func (c *Collection) readJudgements(dir string, documents map[DocumentID]bool, queries map[QueryID]bool) error {
	file, err := openFile(dir, qrelsFile)
	if err != nil {
		return err
	}
	defer file.Close()
	return eachLine(file, filepath.Join(dir, qrelsFile), func(line string, number int) error {
		if number == 1 {
			return checkHeader(line)
		}
		q, d, grade, err := parseJudgement(line)
		if err != nil {
			return err
		}
		keepDocument, known := documents[d]
		if !known {
			return fault.New(fault.Invalid, "document %q is not in %s", d, corpusFile)
		}
		keepQuery, known := queries[q]
		if !known {
			return fault.New(fault.Invalid, "query %q is not in %s", q, queriesFile)
		}
		if !keepDocument || !keepQuery {
			return nil
		}
		if _, twice := c.Judgements[q][d]; twice {
			return fault.New(fault.Invalid, "document %q is judged for query %q a second time", d, q)
		}
		if c.Judgements[q] == nil {
			c.Judgements[q] = map[DocumentID]int{}
		}
		c.Judgements[q][d] = grade
		return nil
	})
}

func checkHeader(line string) error {
	if fields := strings.Split(line, "\t"); len(fields) == 3 {
		if _, err := strconv.Atoi(fields[2]); err != nil {
			return nil
		}
	}
	return fault.New(fault.Invalid, "is %q, not the header query-id, corpus-id, score with tabs between", line)
}

func parseJudgement(line string) (QueryID, DocumentID, int, error) {
	fields := strings.Split(line, "\t")
	if len(fields) != 3 {
		return "", "", 0, fault.New(fault.Invalid, "has %d fields; needed are three with tabs between: query-id, corpus-id, score", len(fields))
	}
	grade, err := strconv.Atoi(fields[2])
	if err != nil {
		return "", "", 0, fault.New(fault.Invalid, "score %q is not a whole number", fields[2])
	}
	return QueryID(fields[0]), DocumentID(fields[1]), grade, nil
}

func openFile(dir, name string) (*os.File, error) {
	file, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "%s has no %s; a collection is a folder with %s, %s and %s",
			dir, name, corpusFile, queriesFile, qrelsFile)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "cannot read the collection").Because(err)
	}
	return file, nil
}

// eachLine calls take for every line that is not blank, counted from 1, and
// puts file and line before what it complains about.
func eachLine(r io.Reader, path string, take func(line string, number int) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLineBytes)
	number := 0
	for lines.Scan() {
		number++
		line := strings.TrimSuffix(lines.Text(), "\r")
		if strings.TrimSpace(line) == "" {
			continue
		}
		if err := take(line, number); err != nil {
			return fault.New(fault.Invalid, "%s:%d: %s", path, number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fault.New(fault.Invalid, "%s:%d cannot be read", path, number+1).Because(err)
	}
	return nil
}
