package weights

import (
	"context"
	"net/http"

	"nearside/fault"
)

// miniLMRepository holds the files at the revision whose sums are pinned.
const miniLMRepository = "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/1110a243fdf4706b3f48f1d95db1a4f5529b4d41"

// fromRepository fetches files one by one.
func (f *fetcher) fromRepository(ctx context.Context, missing []pin) error {
	var done int64
	for _, p := range missing {
		if err := f.download(ctx, p, func(n int64) {
			done += n
			f.progress(done, total(missing))
		}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fetcher) download(ctx context.Context, p pin, read func(n int64)) error {
	url := f.repository + "/" + p.name
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := f.client.Do(request)
	if err != nil {
		return fault.New(fault.Unavailable, "%s cannot be reached", url).Because(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fault.New(fault.Unavailable, "%s answered %s; 200 OK was expected", url, response.Status)
	}
	return f.install(ctx, p, response.Body, url, read)
}
