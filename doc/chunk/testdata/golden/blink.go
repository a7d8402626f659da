// Package lamp blinks.
package lamp

import "time"

// Blink turns the lamp on and off.
func Blink(times int) {
	for range times {
		on()
		off()
	}
}

// wait waits for the lamp, which takes its time, and then some more of it.
func wait(d time.Duration) {
	<-time.After(d)
}
