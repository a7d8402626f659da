package command

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"nearside/client"
	"nearside/fault"
	"nearside/vectorize"
	"nearside/workers"
)

// devIndex says how an index is to be made. Neither its dimensions nor its metric stand
// in a configuration: the source tells, or people do.
type devIndex struct {
	preset   string // or else its shape
	shape    devShape
	metadata []devMetadata
	because  string // why it has this shape, if nobody said so
	exists   bool   // it is there, and lacks metadata indexes only
	vectors  int    // that are in it, if it exists
}

// devShape is what vectors of an index have in common.
type devShape struct {
	Dimensions int    `json:"dimensions"`
	Metric     string `json:"metric"`
}

func (s devShape) String() string { return fmt.Sprintf("%d,%s", s.Dimensions, s.Metric) }

// devMetadata is a metadata index.
type devMetadata struct {
	Property string `json:"propertyName"`
	Type     string `json:"indexType"`
}

func (m devMetadata) String() string { return m.Property + ":" + m.Type }

// howDevIndex says how a devIndex is written.
const howDevIndex = "768,cosine or a preset such as @cf/baai/bge-base-en-v1.5; behind it metadata indexes, as in 768,cosine,genre:string,year:number"

// parseDevIndex reads how an index is to be made.
func parseDevIndex(text string) (devIndex, error) {
	wrong := fault.New(fault.Invalid, "%q does not say how to make an index; write %s", text, howDevIndex)
	words := strings.Split(text, ",")
	var x devIndex
	if strings.Contains(words[0], "/") {
		x.preset = words[0]
		words = words[1:]
	} else {
		dimensions, err := strconv.Atoi(strings.TrimSpace(words[0]))
		if err != nil || len(words) < 2 {
			return x, wrong
		}
		x.shape = devShape{dimensions, strings.TrimSpace(words[1])}
		words = words[2:]
	}
	for _, word := range words {
		property, kind, ok := strings.Cut(strings.TrimSpace(word), ":")
		if !ok {
			return x, wrong
		}
		x.metadata = append(x.metadata, devMetadata{property, kind})
	}
	return x, nil
}

// planned returns how to make each index that the bindings name and the server does not
// have, and what those that it has lack of what was said of them.
func planned(cmd *cobra.Command, api *client.Client, b workers.Bindings, said map[string]string, used func() (usedShape, error)) (map[string]devIndex, error) {
	if len(b.Indexes) == 0 {
		return nil, nil
	}
	var there []struct {
		Name   string
		Config devShape
	}
	if err := api.Do(cmd.Context(), http.MethodGet, "/vectorize/v2/indexes", nil, &there); err != nil {
		return nil, err
	}
	shapes := map[string]devShape{}
	for _, x := range there {
		shapes[x.Name] = x.Config
	}
	plan := map[string]devIndex{}
	for _, binding := range b.Indexes {
		if _, twice := plan[binding.Name]; twice {
			continue // two bindings may be for one index
		}
		shape, exists := shapes[binding.Name]
		how, ok := said[binding.Name]
		if exists && !ok {
			continue
		}
		because := ""
		if !ok {
			var err error
			if how, because, err = unsaid(cmd, binding.Name, used); err != nil {
				return nil, err
			}
		}
		x, err := parseDevIndex(how)
		x.because = because
		if err == nil && exists {
			x, err = x.lacking(cmd, api, binding.Name, shape)
		}
		if err != nil {
			return nil, err
		}
		if !x.exists || len(x.metadata) > 0 {
			plan[binding.Name] = x
		}
	}
	return plan, nil
}

// lacking returns what an index that is there lacks of x: metadata indexes. What cannot
// be changed any more must be as x has it.
func (x devIndex) lacking(cmd *cobra.Command, api *client.Client, name string, is devShape) (devIndex, error) {
	if dimensions, metric, ok := vectorize.PresetShape(x.preset); ok {
		x.shape = devShape{dimensions, string(metric)}
	}
	if x.shape != is {
		return x, fault.New(fault.Invalid, "the index %s is there already, as %s; --index says %s. Leave --index out to use it as it is, or delete it first, with all that is in it: nearside index delete %s", name, is, x.said(), name)
	}
	path := "/vectorize/v2/indexes/" + url.PathEscape(name)
	var has struct{ MetadataIndexes []devMetadata }
	if err := api.Do(cmd.Context(), http.MethodGet, path+"/metadata_index/list", nil, &has); err != nil {
		return x, err
	}
	var about struct{ VectorCount int }
	if err := api.Do(cmd.Context(), http.MethodGet, path+"/info", nil, &about); err != nil {
		return x, err
	}
	lacks := devIndex{exists: true, vectors: about.VectorCount}
	for _, m := range x.metadata {
		at := slices.IndexFunc(has.MetadataIndexes, func(h devMetadata) bool { return h.Property == m.Property })
		if at < 0 {
			lacks.metadata = append(lacks.metadata, m)
		} else if kind := has.MetadataIndexes[at].Type; kind != m.Type {
			return x, fault.New(fault.Invalid, "the metadata index %s of %s is there already, as %s; --index says %s", m.Property, name, kind, m.Type)
		}
	}
	return lacks, nil
}

// said is the index as people write it, without its metadata indexes.
func (x devIndex) said() string {
	if x.preset != "" {
		return x.preset
	}
	return x.shape.String()
}

// unsaid finds out how to make an index of which nothing was said: from the source, or by asking.
func unsaid(cmd *cobra.Command, name string, used func() (usedShape, error)) (how, because string, err error) {
	u, err := used()
	if err != nil {
		return "", "", err
	}
	if u.model != "" {
		return u.shape.String(), u.because(), nil
	}
	how, err = askDevIndex(cmd, name)
	return how, "", err
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

// make makes what of the index is not there.
func (x devIndex) make(cmd *cobra.Command, api *client.Client, name string) error {
	if !x.exists {
		config := any(x.shape)
		if x.preset != "" {
			config = map[string]string{"preset": x.preset}
		}
		if err := api.Do(cmd.Context(), http.MethodPost, "/vectorize/v2/indexes", map[string]any{"name": name, "config": config}, nil); err != nil {
			return fmt.Errorf("make the index %s: %w", name, err)
		}
	}
	for _, m := range x.metadata {
		if err := api.Do(cmd.Context(), http.MethodPost, "/vectorize/v2/indexes/"+url.PathEscape(name)+"/metadata_index/create", m, nil); err != nil {
			return fmt.Errorf("make the metadata index %s of %s: %w", m.Property, name, err)
		}
	}
	return nil
}

// tell says what was made.
func (x devIndex) tell(w io.Writer, name string) {
	if !x.exists {
		fmt.Fprintf(w, "made the index %s: %s", name, x.said())
		for _, m := range x.metadata {
			fmt.Fprintf(w, ", metadata index %s", m)
		}
		if x.because != "" {
			fmt.Fprintf(w, ", %s; if it is to be another: nearside index delete %s, and init again with --index %s=…", x.because, name, name)
		}
		fmt.Fprintln(w)
		return
	}
	for _, m := range x.metadata {
		fmt.Fprintf(w, "made the metadata index %s of %s", m, name)
		if x.vectors > 0 {
			fmt.Fprintf(w, "; it does not see what was there before it (vectors: %d): put that again", x.vectors)
		}
		fmt.Fprintln(w)
	}
}
