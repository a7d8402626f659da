package measure

import (
	"bufio"
	"io"
	"strconv"
	"strings"

	"nearside/fault"
)

// WriteRun writes the rankings of a report as a TREC run, one line a hit:
// query, Q0, document, place from 1, score, tag. Scores are written so that
// reading them back gives the same number: trec_eval sorts by score, not by
// place, and so arrives at the report's figures.
func WriteRun(w io.Writer, rankings []Ranking, tag string) error {
	out := bufio.NewWriter(w)
	var line []byte
	for _, r := range rankings {
		for i, hit := range r.Hits {
			if strings.ContainsAny(string(r.Query.ID)+string(hit.Document), " \t\r\n") {
				return fault.New(fault.Invalid, "a TREC run cannot hold white space in ids, as in query %q, document %q", r.Query.ID, hit.Document)
			}
			line = append(line[:0], r.Query.ID...)
			line = append(line, " Q0 "...)
			line = append(line, hit.Document...)
			line = append(line, ' ')
			line = strconv.AppendInt(line, int64(i+1), 10)
			line = append(line, ' ')
			line = strconv.AppendFloat(line, hit.Score, 'g', -1, 64)
			line = append(line, ' ')
			line = append(line, tag...)
			line = append(line, '\n')
			if _, err := out.Write(line); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}
