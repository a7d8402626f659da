//go:build unix && !linux

package hnsw

const mapNoReserve = 0

func adviseHuge([]byte) {}
