package command

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/edge"
	"nearside/fault"
)

// variable is one of the environment.
type variable struct{ name, value string }

// shells are the ways to set a variable, by the name of the shell.
var shells = map[string]func(v variable) string{
	"sh": func(v variable) string {
		return "export " + v.name + "='" + strings.ReplaceAll(v.value, "'", `'\''`) + "'"
	},
	"fish": func(v variable) string {
		return "set -gx " + v.name + " '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v.value) + "'"
	},
	"powershell": func(v variable) string {
		return "$Env:" + v.name + " = '" + strings.ReplaceAll(v.value, "'", "''") + "'"
	},
}

func newDevEnv() *cobra.Command {
	var data, shell string
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print what to set, so that a Workers project needs no change",
		Long: `Print the environment variables with which wrangler, Vite and Vitest let nearside answer
env.AI and env.VECTORIZE in a Workers project that stays as it is, but for
"remote": true on the entries of vectorize. The server has to run with
--workers-edge. What is missing for it to work is said on standard error.

NODE_EXTRA_CA_CERTS has to be a real variable: in .env it has no effect.`,
		Example: `  eval "$(nearside dev env)"
  nearside dev env --shell fish | source
  nearside dev env --shell powershell | Out-String | Invoke-Expression`,
		Args: noArgs,
	}
	where := connectFlags(cmd)
	cmd.Flags().StringVar(&data, "data", defaultData(), "data directory of the server")
	cmd.Flags().StringVar(&shell, "shell", defaultShell(), "sh (bash and zsh, too), fish or powershell")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		set := shells[shell]
		if set == nil {
			return fault.New(fault.Invalid, "--shell %q does not exist; use sh, fish or powershell", shell)
		}
		certificate, err := filepath.Abs(filepath.Join(data, edge.Folder, edge.CertificateFile))
		if err != nil {
			return err
		}
		if err := printVariables(cmd, edgeVariables(where, certificate), set); err != nil {
			return err
		}
		for _, lack := range edgeLacks(cmd.Context(), where, certificate, edge.Address) {
			fmt.Fprintln(cmd.ErrOrStderr(), "nearside:", lack)
		}
		return nil
	}
	return cmd
}

func printVariables(cmd *cobra.Command, variables []variable, set func(variable) string) error {
	object := map[string]string{}
	for _, v := range variables {
		object[v.name] = v.value
	}
	return printResult(cmd, object, func(w io.Writer) {
		for _, v := range variables {
			fmt.Fprintln(w, set(v))
		}
	})
}

// defaultShell is the one that most people have.
func defaultShell() string {
	if runtime.GOOS == "windows" {
		return "powershell"
	}
	return "sh"
}

// edgeVariables are those that wrangler reads.
func edgeVariables(where *connection, certificate string) []variable {
	token := where.key
	if token == "" {
		token = "none-is-needed" // wrangler wants one all the same
	}
	return []variable{
		{"CLOUDFLARE_API_BASE_URL", strings.TrimRight(where.url, "/") + "/client/v4"},
		{"CLOUDFLARE_API_TOKEN", token},
		{"CLOUDFLARE_ACCOUNT_ID", where.account},
		{"NODE_EXTRA_CA_CERTS", certificate},
	}
}

// edgeLacks says what is missing for the variables to be of use.
func edgeLacks(ctx context.Context, where *connection, certificate, address string) (lacks []error) {
	if err := where.client().Do(ctx, http.MethodGet, "/workers/subdomain", nil, nil); err != nil {
		lacks = append(lacks, err)
	}
	trusted, err := os.ReadFile(certificate)
	if err != nil {
		lacks = append(lacks, fault.New(fault.NotFound, "there is no %s; nearside serve --workers-edge makes it. If the server has another data directory, name it with --data", certificate))
	} else if err := callEdge(ctx, trusted, address); err != nil {
		lacks = append(lacks, err)
	}
	return lacks
}

// callEdge says what hinders a client that trusts the certificate from reaching the edge.
func callEdge(ctx context.Context, trusted []byte, address string) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusted)
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: &tls.Config{RootCAs: roots}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err == nil {
		return conn.Close()
	}
	var stranger *tls.CertificateVerificationError
	if errors.As(err, &stranger) {
		return fault.New(fault.Conflict, "%s is answered by a program with another certificate than %s vouches for; end that program, or name the data directory of the server with --data", address, edge.CertificateFile).Because(err)
	}
	return fault.New(fault.Unavailable, "nothing answers on %s, where wrangler looks (%v). Start nearside serve --workers-edge; if it may not open that port, one of these helps:\n%s", address, err, edge.Ways(runtime.GOOS))
}
