package disk

// Waiting returns how many callers wait for their turn to write.
func Waiting(db *DB) int {
	db.turn.mu.Lock()
	defer db.turn.mu.Unlock()
	return len(db.turn.waiting)
}

// Connections returns how many connections are open in the data directory.
func Connections(d *Dir) int {
	f := &d.house.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}
