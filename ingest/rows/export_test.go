package rows

// AsRow is asRow for the tests.
var AsRow = asRow
