package command

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"

	"nearside/client"
)

// The guide is a small index made from nearside's own documentation, so that a
// newcomer has something to ask within a minute.
const (
	guideIndex    = "guide"
	guideQuestion = "is my data safe when the power fails?"
	routesPage    = "docs/routes.md"
)

// guideText is one section of the documentation.
type guideText struct {
	ID       string            `json:"id"`
	Title    string            `json:"title"`
	Text     string            `json:"text"`
	Metadata map[string]string `json:"metadata"`
}

// welcome loads the guide into an account without indexes, asks it one question and says what to try next.
func welcome(ctx context.Context, api *client.Client, docs fs.FS, started time.Time, out io.Writer) error {
	var indexes []indexObject
	if err := api.Do(ctx, http.MethodGet, "/nearside/indexes", nil, &indexes); err != nil {
		return err
	}
	if len(indexes) == 0 {
		if err := loadGuide(ctx, api, docs); err != nil {
			return err
		}
	} else if !hasGuide(indexes) {
		return nil
	}
	found, err := searchIndex(ctx, api, guideIndex, searchRequest{Query: guideQuestion, TopK: 1})
	if err != nil || found.Count == 0 {
		return err
	}
	fmt.Fprintf(out, "\nThe guide was asked %q and answered, %.1f s after the start:\n\n", guideQuestion, time.Since(started).Seconds())
	printPassage(out, found.Passages[0])
	fmt.Fprintf(out, next, api.URL, guideIndex)
	return nil
}

// next is what to try next.
const next = `
Try next, from another terminal:

  curl %[1]s/client/v4/accounts/local/nearside/indexes/%[2]s/search \
    -H 'content-type: application/json' -d '{"query": "how do I point wrangler here?", "topK": 1}'

  CLOUDFLARE_API_BASE_URL=%[1]s/client/v4 CLOUDFLARE_API_TOKEN=local CLOUDFLARE_ACCOUNT_ID=local \
    npx wrangler vectorize list

  ./nearside search %[2]s "how do I make an API key?" --url %[1]s

`

func hasGuide(indexes []indexObject) bool {
	for _, x := range indexes {
		if x.Name == guideIndex {
			return true
		}
	}
	return false
}

func loadGuide(ctx context.Context, api *client.Client, docs fs.FS) error {
	texts, err := guideTexts(docs)
	if err != nil {
		return err
	}
	definition := map[string]any{"name": guideIndex, "description": "nearside's own documentation", "model": defaultModel}
	if err := api.Do(ctx, http.MethodPost, "/nearside/indexes", definition, nil); err != nil {
		return err
	}
	return api.Do(ctx, http.MethodPost, indexPath(guideIndex)+"/texts", map[string]any{"texts": texts}, nil)
}

// guideTexts cuts the documentation into its sections: docs/data.md under "## Damage is found" is data/damage-is-found.
func guideTexts(docs fs.FS) ([]guideText, error) {
	names, err := fs.Glob(docs, "docs/*.md")
	if err != nil {
		return nil, err
	}
	var texts []guideText
	for _, name := range names {
		if name == routesPage {
			continue // a table answers no question
		}
		raw, err := fs.ReadFile(docs, name)
		if err != nil {
			return nil, err
		}
		texts = append(texts, sections(name, string(raw))...)
	}
	return texts, nil
}

// heading matches the line that begins a section.
var heading = regexp.MustCompile(`(?m)^## (.+)$`)

// notInID matches what a section's id has a dash for.
var notInID = regexp.MustCompile(`[^a-z0-9]+`)

func sections(name, document string) []guideText {
	base := strings.TrimSuffix(path.Base(name), ".md")
	var texts []guideText
	starts := heading.FindAllStringSubmatchIndex(document, -1)
	for i, at := range starts {
		end := len(document)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		title := document[at[2]:at[3]]
		texts = append(texts, guideText{
			ID:       base + "/" + strings.Trim(notInID.ReplaceAllString(strings.ToLower(title), "-"), "-"),
			Title:    title,
			Text:     strings.TrimSpace(document[at[1]:end]),
			Metadata: map[string]string{"page": name},
		})
	}
	return texts
}
