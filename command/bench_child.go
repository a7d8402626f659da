package command

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"nearside/fault"
)

// child is a process of this very program that serves something while a benchmark runs.
type child struct {
	process *exec.Cmd
	url     string
}

// serving is what a child prints before its address.
const serving = "serving on "

// startChild starts this program with a command line that serves on a free port.
func startChild(cmd *cobra.Command, args ...string) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{process: exec.CommandContext(cmd.Context(), program, args...)}
	c.process.Stderr = cmd.ErrOrStderr()
	c.process.Cancel = func() error { return terminate(c.process.Process) }
	out, err := c.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.process.Start(); err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, url, ok := strings.Cut(lines.Text(), serving); ok {
			c.url = strings.TrimSpace(url)
			return c, nil
		}
	}
	return nil, errors.Join(fault.New(fault.Unavailable, "`nearside %s` ended before it listened; its messages are above", args[0]), c.process.Wait(), cmd.Context().Err())
}

// stop ends the child politely.
func (c *child) stop() error {
	if err := terminate(c.process.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	// How it ended does not matter: its data go away with it.
	_ = c.process.Wait()
	return nil
}

// terminate asks a process to end, or ends it where a system knows no asking.
func terminate(p *os.Process) error {
	if err := p.Signal(syscall.SIGTERM); err == nil || errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return p.Kill()
}
