package disktest

import (
	"bufio"
	"os"
	"os/exec"
	"testing"
)

// KillAfter starts the test's program again with a variable of the environment, and
// kills it after so many lines of what it says. Every line that it said is told.
func KillAfter(t testing.TB, variable string, lines int, tell func(line string)) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), variable)
	child.Stderr = os.Stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(stdout)
	for n := 0; ; n++ {
		if n == lines {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if !said.Scan() {
			break
		}
		tell(said.Text())
	}
	_ = child.Wait() // it reports the kill
}
