package command

import "github.com/spf13/cobra"

func newDev(assets Assets) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Give Workers projects on this machine the real env.AI and env.VECTORIZE",
		Long: `Give Workers projects on this machine the real env.AI and env.VECTORIZE: under
"wrangler dev" and everything built like it, their calls are answered by nearside.`,
	}
	cmd.AddCommand(newDevInit(assets), newDevWorkerd(), newDevEnv(), newDevCheck(assets), newDevPackage())
	return cmd
}
