package llm

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"nearside/llm/chat"
)

// Tasks on pictures that a model does which chats and reads them.

// looks reports whether it is a task on a picture that such a model can do.
func (t Task) looks() bool { return t == ImageToText || t == ImageClassification }

// Look has a model for Image-to-Text answer about the pictures of q: by its own
// backends, or else by the model that stands in for it, which is named.
func (r *Router) Look(ctx context.Context, call Call, q *chat.Request) (string, Generated, error) {
	m, err := r.fleet.Load().model(call.Model, ImageToText)
	if err != nil {
		return "", Generated{}, err
	}
	answers, out, err := r.inWords(ctx, m, call, q)
	if err != nil {
		return "", out, err
	}
	return answers[0], out, nil
}

// mostLabels is how many labels a picture gets at most: as many as resnet-50 gives.
const mostLabels = 5

// labelSchema is the schema of the labels that a model gives a picture.
var labelSchema = json.RawMessage(fmt.Sprintf(`{"type":"object","required":["labels"],"properties":{"labels":{"type":"array","minItems":1,"maxItems":%d,`+
	`"items":{"type":"object","required":["label","score"],"properties":{"label":{"type":"string","minLength":1,"maxLength":100},"score":{"type":"number","minimum":0,"maximum":1}}}}}}`, mostLabels))

// Label says in a word or two what a picture shows, best first; the scores add up to
// 1 at most. They are what a model that chats says of its own judgement, not a
// probability that was measured, and the words are its own, not those of ImageNet.
func (r *Router) Label(ctx context.Context, call Call, picture chat.Image) ([]Label, Generated, error) {
	m, err := r.fleet.Load().model(call.Model, ImageClassification)
	if err != nil {
		return nil, Generated{}, err
	}
	q := instructed(fmt.Sprintf("Say what the picture shows. Answer with a JSON object that has up to %d labels, the best first: "+
		"each a name of one or two words for the main thing in it, and a score from 0 (surely not) to 1 (surely); together at most 1.", mostLabels), "What is this?")
	q.Messages[1].Images = []chat.Image{picture}
	q.Format = &chat.Format{Schema: labelSchema}
	q.MaxTokens = chat.DefaultMaxTokens
	answers, out, err := r.inWords(ctx, m, call, q)
	if err != nil {
		return nil, out, err
	}
	var said struct{ Labels []Label }
	if err := json.Unmarshal([]byte(answers[0]), &said); err != nil {
		return nil, out, chat.Unmet(err)
	}
	sum := 0.0
	for _, label := range said.Labels {
		sum += label.Score
	}
	for i := range said.Labels {
		said.Labels[i].Score /= max(1, sum)
	}
	slices.SortStableFunc(said.Labels, func(a, b Label) int { return cmp.Compare(b.Score, a.Score) })
	return said.Labels, out, nil
}
