//go:build !unix

package source

import "os"

// readFlags open a file.
const readFlags = os.O_RDONLY
