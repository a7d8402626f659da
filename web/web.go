// Package web has the files of nearside that are no Go: what runs in a browser or in
// Node. They are embedded as they are; nothing is built.
package web

import _ "embed"

// WorkersPlugin is the Miniflare plugin that has nearside answer the bindings of a
// Worker. It wants server.json beside it: {"url": …, "secret": …}.
//
//go:embed workers/plugin.cjs
var WorkersPlugin []byte
