// Command nearside is Cloudflare's Vectorize and Workers AI on your own machine.
package main

import (
	"embed"
	"os"

	"nearside/command"
)

//go:embed models.yaml
var models []byte

//go:embed README.md docs/*.md
var docs embed.FS

func main() {
	os.Exit(command.Main(command.Assets{Models: models, Docs: docs}))
}
