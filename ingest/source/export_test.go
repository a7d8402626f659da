package source

import "bytes"

// ReadSitemap reads a sitemap and returns how many addresses it has.
func ReadSitemap(data []byte) int {
	list, _ := readSitemap(bytes.NewReader(data))
	return len(list.pages) + len(list.sitemaps)
}

// Limit makes the system watch so many folders only.
func (o WatchOptions) Limit(folders int) WatchOptions {
	o.limit = folders
	return o
}
