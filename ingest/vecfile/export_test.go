package vecfile

// Half is half for the tests.
var Half = half
