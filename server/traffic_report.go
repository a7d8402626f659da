package server

import (
	"context"
	"slices"
	"strings"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
	"nearside/vectorize"
	"nearside/workers/traffic"
)

// showTraffic answers GET …/nearside/projects/{project}/traffic?days=&index=: what the
// bindings of the project did, and how its indexes are. index, which may be given
// several times, names indexes that are told of although they were not called.
func showTraffic(s *Server, c *call) error {
	id := c.param("project")
	if err := s.hasProject(c.account, id); err != nil {
		return err
	}
	count, err := c.queryInt("days", traffic.MaxDays, 1, traffic.MaxDays)
	if err != nil {
		return err
	}
	days, err := s.parts.Traffic.Days(c, id, count)
	if err != nil {
		return err
	}
	report := traffic.Report{Project: id, Relaxed: s.parts.Vectorize.Limits().Backfill, Indexes: []traffic.State{}}
	report.Sum(days)
	for _, x := range s.parts.Vectorize.List(c.account) {
		_, called := report.Total.Indexes[x.Name]
		if !called && !slices.Contains(c.query["index"], x.Name) {
			continue
		}
		state, err := s.indexState(c, x)
		if f := fault.As(err); f != nil && (f.Kind == fault.NotFound || f.Kind == fault.Gone || f.Kind == fault.Corrupt) {
			continue // deleted in the meantime, or damaged, which every call of it says
		} else if err != nil {
			return err
		}
		report.Indexes = append(report.Indexes, state)
	}
	return c.reply(report)
}

// forgetTraffic answers DELETE …/nearside/projects/{project}/traffic: it is recorded anew.
func forgetTraffic(s *Server, c *call) error {
	id := c.param("project")
	if err := s.hasProject(c.account, id); err != nil {
		return err
	}
	if err := s.parts.Traffic.Forget(c, id); err != nil {
		return err
	}
	return c.reply(struct {
		ID string `json:"id"`
	}{id})
}

// showsSecret reports whether a call shows the secret of the project in its path.
func (s *Server) showsSecret(c *call) bool {
	if s.parts.Projects == nil {
		return false
	}
	p, known := s.parts.Projects.Project(strings.TrimSpace(c.header(headerBindingSecret)))
	return known && p.Account == c.account && p.ID == c.param("project")
}

// hasProject refuses a project that the account does not have.
func (s *Server) hasProject(account, id string) error {
	if slices.ContainsFunc(s.parts.Projects.Projects(account), func(p catalog.Project) bool { return p.ID == id }) {
		return nil
	}
	return &fault.Error{Kind: fault.NotFound, Reason: catalog.ReasonNoProject, Message: "no project of the account has the id " + id}
}

// indexState tells how an index is, as far as Cloudflare's limits and filters go.
func (s *Server) indexState(ctx context.Context, definition catalog.Index) (traffic.State, error) {
	state := traffic.State{
		Name: definition.Name, Dimensions: definition.Dimensions, Metric: definition.Metric, Preset: definition.Preset, Metadata: []traffic.MetadataIndex{},
	}
	x, err := s.parts.Vectorize.Open(ctx, definition.Account, definition.Name)
	if err != nil {
		return state, err
	}
	info, err := x.Info(ctx, index.Read{})
	if err != nil {
		return state, err
	}
	state.Vectors, state.Namespaces = info.Count, info.Namespaces
	existing, err := x.MetadataIndexes(ctx, index.Read{})
	if err != nil {
		return state, err
	}
	for _, m := range existing {
		hidden, more, err := hiddenFrom(ctx, x, m)
		if err != nil {
			return state, err
		}
		state.Metadata = append(state.Metadata, traffic.MetadataIndex{Property: m.Property, Type: string(m.Type), Hidden: hidden, More: more})
	}
	return state, nil
}

// maxHidden is how many of the vectors without a value for a property are looked at.
const maxHidden = 1000

// hiddenFrom counts the vectors whose metadata has a value for a metadata index that
// does not know it, because they are older. more: not all candidates were looked at.
func hiddenFrom(ctx context.Context, x *vectorize.Index, m index.MetadataIndex) (hidden int, more bool, err error) {
	without, err := filter.Parse(append(filter.AppendString([]byte("{"), m.Property), ":null}"...))
	if err != nil {
		return 0, false, err
	}
	page, err := x.Index.Select(ctx, index.Selection{Filter: without}, "", maxHidden, index.Read{})
	if err != nil {
		return 0, false, err
	}
	const atOnce = 100 // records are read with their values
	for ids := range slices.Chunk(page.IDs, atOnce) {
		records, err := x.Index.Get(ctx, ids, index.Read{})
		if err != nil {
			return 0, false, err
		}
		for i := range records {
			if !filter.Extract(records[i].Metadata, m.Property, m.Type).IsAbsent() {
				hidden++
			}
		}
	}
	return hidden, page.Total > len(page.IDs), nil
}
