package command

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"nearside/client"
	"nearside/fault"
	"nearside/workers"
)

// devIndex says how an index is to be made. Neither its dimensions nor its metric stand
// in a project, so people say them.
type devIndex struct {
	config   map[string]any
	metadata []map[string]string // the metadata indexes
}

// howDevIndex says how a devIndex is written.
const howDevIndex = "768,cosine or a preset such as @cf/baai/bge-base-en-v1.5; behind it metadata indexes, as in 768,cosine,genre:string,year:number"

// parseDevIndex reads how an index is to be made.
func parseDevIndex(text string) (devIndex, error) {
	wrong := fault.New(fault.Invalid, "%q does not say how to make an index; write %s", text, howDevIndex)
	words := strings.Split(text, ",")
	var x devIndex
	if strings.Contains(words[0], "/") {
		x.config = map[string]any{"preset": words[0]}
		words = words[1:]
	} else {
		dimensions, err := strconv.Atoi(strings.TrimSpace(words[0]))
		if err != nil || len(words) < 2 {
			return x, wrong
		}
		x.config = map[string]any{"dimensions": dimensions, "metric": strings.TrimSpace(words[1])}
		words = words[2:]
	}
	for _, word := range words {
		property, kind, ok := strings.Cut(strings.TrimSpace(word), ":")
		if !ok {
			return x, wrong
		}
		x.metadata = append(x.metadata, map[string]string{"propertyName": property, "indexType": kind})
	}
	return x, nil
}

// planned returns how to make each index that the bindings name and the server does not have.
func planned(cmd *cobra.Command, api *client.Client, b workers.Bindings, said map[string]string) (map[string]devIndex, error) {
	if len(b.Indexes) == 0 {
		return nil, nil
	}
	var there []struct{ Name string }
	if err := api.Do(cmd.Context(), http.MethodGet, "/vectorize/v2/indexes", nil, &there); err != nil {
		return nil, err
	}
	exists := map[string]bool{}
	for _, x := range there {
		exists[x.Name] = true
	}
	plan := map[string]devIndex{}
	for _, binding := range b.Indexes {
		if exists[binding.Name] {
			continue
		}
		how, ok := said[binding.Name]
		if !ok {
			var err error
			if how, err = askDevIndex(cmd, binding.Name); err != nil {
				return nil, err
			}
		}
		x, err := parseDevIndex(how)
		if err != nil {
			return nil, err
		}
		plan[binding.Name] = x
		exists[binding.Name] = true // two bindings may be for one index
	}
	return plan, nil
}

// askDevIndex asks on a terminal how to make an index.
func askDevIndex(cmd *cobra.Command, name string) (string, error) {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", fault.New(fault.Invalid, "the index %s does not exist; say how long its vectors are and how they are compared: --index %s=768,cosine, or --index %s=@cf/baai/bge-base-en-v1.5", name, name, name)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "The index %s does not exist yet. How is it to be made? (%s): ", name, howDevIndex)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(line), nil
}

// make makes the index and its metadata indexes.
func (x devIndex) make(cmd *cobra.Command, api *client.Client, name string) error {
	if err := api.Do(cmd.Context(), http.MethodPost, "/vectorize/v2/indexes", map[string]any{"name": name, "config": x.config}, nil); err != nil {
		return fmt.Errorf("make the index %s: %w", name, err)
	}
	for _, m := range x.metadata {
		if err := api.Do(cmd.Context(), http.MethodPost, "/vectorize/v2/indexes/"+url.PathEscape(name)+"/metadata_index/create", m, nil); err != nil {
			return fmt.Errorf("make the metadata index %s of %s: %w", m["propertyName"], name, err)
		}
	}
	return nil
}
