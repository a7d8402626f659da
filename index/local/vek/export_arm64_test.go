package vek

// WithoutSDOT makes the kernels do without the instructions that older CPUs lack, until restore is called.
func WithoutSDOT() (restore func()) {
	had := hasSDOT
	hasSDOT = false
	return func() { hasSDOT = had }
}
