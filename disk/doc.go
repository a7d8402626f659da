// Package disk is the one home of durability: the owner lock of a data
// directory, files that are replaced whole or not at all, and SQLite opened our way.
package disk
