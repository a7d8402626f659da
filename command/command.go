// Package command is the command line of nearside, one file a verb.
//
// Run builds the command tree, runs it and returns an exit code: 0 done,
// 1 failed, 3 partly done (of dev check: something would break), 130 interrupted. Results go to standard output,
// as a table for people or, with --json, as JSON; progress, warnings and
// errors go to standard error. Every flag can also be given as an environment
// variable: --data is NEARSIDE_DATA, --tls-cert is NEARSIDE_TLS_CERT.
//
// This is the only package that reads the environment or the user's home. It
// holds no logic of its own beyond asking, wiring and printing: verbs that need
// a server call it through package client, the others open a data directory.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nearside/embed/bert"
	"nearside/fault"
	"nearside/index/local/vek"
)

// Version is set by the linker.
var Version = "dev"

// Assets are the files built into the program.
type Assets struct {
	Models []byte // models.yaml
	Docs   fs.FS  // README.md and docs/*.md, which the guide is made from
}

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitPartly      = 3
	exitInterrupted = 130
)

// Main runs the command line of this process and returns its exit code.
func Main(assets Assets) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, assets)
}

// Run runs one command line.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, assets Assets) int {
	root := newRoot(assets)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "nearside: interrupted")
		return exitInterrupted
	}
	fmt.Fprintln(stderr, "nearside:", err)
	var partly partlyDone
	var breaks foundBreaks
	if errors.As(err, &partly) || errors.As(err, &breaks) {
		return exitPartly
	}
	return exitFailed
}

// partlyDone is the error of work of which some succeeded and some did not.
type partlyDone struct{ done, failed int }

func (p partlyDone) Error() string {
	return fmt.Sprintf("%d done, %d failed; the messages above say which", p.done, p.failed)
}

func newRoot(assets Assets) *cobra.Command {
	root := &cobra.Command{
		Use:   "nearside",
		Short: "Cloudflare's Vectorize and Workers AI on your own machine",
		Long: `nearside serves Cloudflare's Vectorize and Workers AI on your own machine:
wrangler, the official SDKs and OpenAI clients work against it, offline.

Start it with "nearside serve"; the other commands talk to it.
Every flag is also an environment variable: --data is NEARSIDE_DATA.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := flagsFromEnvironment(cmd); err != nil {
				return err
			}
			return useKernels(cmd)
		},
	}
	root.PersistentFlags().Bool("json", false, "print the result as JSON")
	root.PersistentFlags().String("cpu", "", "kernels to run: avx512, avx2, neon or generic (default: the best of this processor)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fault.New(fault.Invalid, "%s; see: %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(
		newServe(assets), newIndex(), newRecords(), newSearch(), newChat(), newIngest(), newFiles(), newJobs(), newReembed(), newKeys(), newModels(), newUsage(), newSnapshot(),
		newExport(), newPush(), newPull(),
		newDev(assets), newCheck(), newSalvage(), newEval(), newBench(), newParse(), newVersion(),
	)
	for _, group := range root.Commands() {
		if group.HasSubCommands() {
			// Left to cobra, a misspelt command prints help and succeeds.
			group.Args, group.DisableFlagsInUseLine = noArgs, true
			group.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root
}

// noArgs refuses arguments where a command has none. Often they are a directory
// without --data in front of it.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasSubCommands():
		return fault.New(fault.Invalid, "there is no command %q; see: %s --help", args[0], cmd.CommandPath())
	}
	return fault.New(fault.Invalid, "%s takes options only, and %q is none; see: %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
}

// useKernels makes the search and the encoder run the kernels that --cpu names.
func useKernels(cmd *cobra.Command) error {
	name, err := cmd.Flags().GetString("cpu")
	if err != nil || name == "" {
		return err
	}
	if err := bert.Use(name); err != nil {
		return err
	}
	if name == string(vek.AVX512) && !slices.Contains(vek.Kernels(), vek.AVX512) {
		name = string(vek.AVX2) // the search needs more of AVX-512 than the encoder, and this processor has only the part
	}
	return vek.Use(name)
}

// commandLineOnly marks flags that have no environment variable.
const commandLineOnly = "command line only"

// notFromEnvironment marks a flag whose environment variable is that of another flag.
func notFromEnvironment(flags *pflag.FlagSet, name string) {
	flags.Lookup(name).Annotations = map[string][]string{commandLineOnly: {"true"}}
}

// flagsFromEnvironment gives every flag that was not set the value of its environment variable, if there is one.
func flagsFromEnvironment(cmd *cobra.Command) error {
	var wrong []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := "NEARSIDE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if f.Changed || !ok || f.Annotations[commandLineOnly] != nil {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			wrong = append(wrong, fault.New(fault.Invalid, "the environment variable %s=%q is not a value for --%s (%s)", name, value, f.Name, f.Usage))
		}
	})
	return errors.Join(wrong...)
}
