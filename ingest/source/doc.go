// Package source has what package ingest loads from: folders, files, archives in them, standard
// input, and pages by their addresses.
//
// What is promised: items come in the order of their paths' bytes; only regular files are opened, and links do not lead out
// of a folder unless that is asked for; a file is read through the descriptor that was looked at; what is not there, not
// readable, too large or not what it says is an item, or a member of an archive, with a Problem, and the next one follows; and memory does not
// grow with the size of a file, of an archive or of the tree, but with the largest single folder.
//
// Archives (tar, zip; gzip and zstd, of them or of a single file) are known by their first bytes. They are unpacked to readers, never to
// the disk, so that the name of a member is only a name. Limits bounds what one may unpack to.
//
// It does not read what files say: that is package parse.
package source
