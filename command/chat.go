package command

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"nearside/client"
	"nearside/fault"
)

// chatTurn is one message of a conversation.
type chatTurn struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// chatAnswer is what a model said, and how it came about.
type chatAnswer struct {
	Answer  string      `json:"answer"`
	Model   string      `json:"model"`
	Backend string      `json:"backend"`
	Route   string      `json:"route"`
	Neurons json.Number `json:"neurons"`
	Warning string      `json:"warning,omitempty"`
}

// chatLine bounds one line of a stream, and one line that is typed.
const chatLine = 1 << 20

func newChat() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "chat [QUESTION...]",
		Short: "Talk to a model: one question, or a conversation",
		Long: `Talk to a model. With a question it is answered, piece by piece, and that is all.
Without one, every line of standard input is a turn of a conversation, until it ends.

Who answered, and what it cost, is written to standard error.`,
		Args: cobra.ArbitraryArgs,
	}
	server := connectFlags(cmd)
	var model, system string
	var most int
	flags := cmd.Flags()
	flags.StringVar(&model, "model", "@nearside/auto", "the model; @nearside/auto picks one that is here")
	flags.StringVar(&system, "system", "", "how the model is to behave")
	flags.IntVar(&most, "max-tokens", 1024, "the longest answer")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c := conversation{api: server.client(), model: model, most: most}
		c.api.Warn = nil // each answer says it
		if system != "" {
			c.turns = append(c.turns, chatTurn{"system", system})
		}
		if len(args) > 0 {
			return c.turn(cmd, strings.Join(args, " "))
		}
		lines := bufio.NewScanner(cmd.InOrStdin())
		lines.Buffer(nil, chatLine)
		for lines.Scan() {
			if question := strings.TrimSpace(lines.Text()); question != "" {
				if err := c.turn(cmd, question); err != nil {
					return err
				}
			}
		}
		return lines.Err()
	}
	return cmd
}

// conversation is what was said so far, and with whom.
type conversation struct {
	api   *client.Client
	model string
	most  int
	turns []chatTurn
}

// turn asks and prints the answer: as it comes, or with --json when it is whole.
func (c *conversation) turn(cmd *cobra.Command, question string) error {
	c.turns = append(c.turns, chatTurn{"user", question})
	out := cmd.OutOrStdout()
	if asJSON, err := cmd.Flags().GetBool("json"); err != nil || asJSON {
		out = io.Discard
	}
	said, err := c.ask(cmd.Context(), out)
	if err != nil {
		return err
	}
	c.turns = append(c.turns, chatTurn{"assistant", said.Answer})
	return printResult(cmd, said, func(w io.Writer) {
		fmt.Fprintln(w)
		fmt.Fprintf(cmd.ErrOrStderr(), "(%s by %s, %s; %s neurons)\n", said.Model, said.Backend, said.Route, said.Neurons)
		if said.Warning != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "(%s)\n", said.Warning)
		}
	})
}

// ask sends the conversation and writes the answer to out as it comes.
func (c *conversation) ask(ctx context.Context, out io.Writer) (chatAnswer, error) {
	body, err := json.Marshal(map[string]any{
		"model": c.model, "messages": c.turns, "max_tokens": c.most, "stream": true, "stream_options": map[string]any{"include_usage": true},
	})
	if err != nil {
		return chatAnswer{}, err
	}
	res, err := c.api.Open(ctx, http.MethodPost, "/ai/v1/chat/completions", "application/json", bytes.NewReader(body))
	if err != nil {
		return chatAnswer{}, err
	}
	defer res.Body.Close()
	said := chatAnswer{Model: res.Header.Get("nearside-model"), Backend: res.Header.Get("nearside-backend"), Route: res.Header.Get("nearside-route"), Warning: res.Header.Get("nearside-warning")}
	return said, said.read(res.Body, out)
}

// chatChunk is a frame of the stream.
type chatChunk struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
	} `json:"choices"`
	Usage *struct {
		Neurons json.Number `json:"neurons"`
	} `json:"usage"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// read reads a stream to its end. One that breaks off before that is an error.
func (a *chatAnswer) read(stream io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, chatLine)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			return nil
		}
		var chunk chatChunk
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if chunk.Error != nil {
			return fault.New(fault.Unavailable, "the answer broke off: %s", chunk.Error.Message)
		}
		if chunk.Usage != nil {
			a.Neurons = chunk.Usage.Neurons
		}
		for _, choice := range chunk.Choices {
			a.Answer += choice.Delta.Content
			if _, err := io.WriteString(out, choice.Delta.Content); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	return fault.New(fault.Unavailable, "the answer broke off before its end; ask again")
}
