package ingest

// AsRow is asRow for the tests.
var AsRow = asRow
