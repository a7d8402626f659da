package convert

import (
	"bytes"
	"fmt"
	"image"
	_ "image/gif"  // formats whose size is known
	_ "image/jpeg" //
	_ "image/png"  //
	"slices"
	"strings"

	_ "golang.org/x/image/bmp"  //
	_ "golang.org/x/image/webp" //

	"nearside/doc/parse"
)

// pictures are the kinds of pictures that toMarkdown takes.
var pictures = []parse.Type{
	{Extension: ".jpeg", MediaType: "image/jpeg"}, {Extension: ".jpg", MediaType: "image/jpeg"}, {Extension: ".png", MediaType: "image/png"},
	{Extension: ".webp", MediaType: "image/webp"}, {Extension: ".gif", MediaType: "image/gif"}, {Extension: ".bmp", MediaType: "image/bmp"},
}

// Pictures returns the kinds of pictures that PictureOf knows, by their endings.
func Pictures() []parse.Type { return slices.Clone(pictures) }

// PictureOf says in a line what a picture is, as far as its first bytes tell: "a PNG picture of 640 x 480
// pixels". It reports false if the bytes are none that it knows.
func PictureOf(file []byte) (line string, ok bool) {
	config, format, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return "", false
	}
	return fmt.Sprintf("a %s picture of %d x %d pixels", strings.ToUpper(format), config.Width, config.Height), true
}
