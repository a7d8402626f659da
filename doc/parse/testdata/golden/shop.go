// Package shop sells tea.
package shop

import "fmt"

// Tea is a kind of tea.
type Tea struct{ Name string }

// Brew makes it.
func (t *Tea) Brew() string {
	return fmt.Sprint(t.Name)
}

const (
	a = 1
	b = 2
)

func main() {}
