package workers

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// vectorMatches is the compatibility date from which on query returns matches with ids,
// scores and, if asked, metadata; before, each held the whole vector
// (flag vectorize_query_metadata_optional of workerd).
const vectorMatches = "2023-11-08"

// base is the name of the file without its folder.
func (f *File) base() string { return filepath.Base(f.Path) }

// checkConfig looks at the configuration alone.
func (k *checker) checkConfig() {
	if k.config.AI == "" && len(k.config.Indexes) == 0 {
		k.report.Notes = append(k.report.Notes, k.File.base()+" has neither ai nor vectorize at its top level, so there is little to say about it")
	}
	k.checkDate()
	for _, name := range slices.Sorted(maps.Keys(k.config.environments)) {
		if k.config.environments[name] == "" { // else it is nearside's
			k.checkEnvironment(name)
		}
	}
}

// checkDate looks at the compatibility date.
func (k *checker) checkDate() {
	value := decodedKey(k.config.top, "compatibility_date")
	date, _ := value.(string)
	where := k.at("/compatibility_date")
	switch {
	case value == nil:
		k.find(Breaks, "compatibility-date", []string{k.File.base()}, "no compatibility_date",
			"wrangler deploy refuses a Worker without one; wrangler dev takes today", fmt.Sprintf(`add "compatibility_date": %q`, k.Now.UTC().Format(time.DateOnly)))
	case date == "": // no text, which wrangler refuses by itself
	case date > k.Now.UTC().Format(time.DateOnly):
		k.find(Breaks, "compatibility-date", where, "compatibility_date "+date+" is in the future",
			"a date in the future is refused", "use today's: "+k.Now.UTC().Format(time.DateOnly))
	case date < vectorMatches && len(k.config.Indexes) > 0:
		k.find(Differs, "compatibility-date", where, "compatibility_date "+date+" is older than Vectorize's matches",
			"before "+vectorMatches+" each match of a query holds the whole vector", "use "+vectorMatches+" or later")
	}
}

// checkEnvironment looks whether an environment has the bindings, which it does not inherit.
func (k *checker) checkEnvironment(name string) {
	environments, _ := decodedKey(k.config.top, "env").(map[string]any)
	environment, _ := environments[name].(map[string]any)
	has := bindingsIn(environment)
	var lacks []string
	if k.config.AI != "" && has.AI == "" {
		lacks = append(lacks, "env."+k.config.AI)
	}
	for _, x := range k.config.Indexes {
		if !slices.ContainsFunc(has.Indexes, func(y Index) bool { return y.Binding == x.Binding }) {
			lacks = append(lacks, "env."+x.Binding)
		}
	}
	if len(lacks) > 0 {
		k.find(Breaks, "environment", k.at("/env/"+name), "the environment "+name+" does not have "+strings.Join(lacks, ", "),
			"environments inherit neither ai nor vectorize: deployed with --env "+name+", these are undefined", "repeat the bindings under env."+name)
	}
}

// decodedKey returns the value of a key of the top level, nil if it is not there.
func decodedKey(top []entry, key string) any {
	for _, e := range top {
		if e.key == key {
			return decoded(e.value)
		}
	}
	return nil
}

// bound are all names that the configuration gives to something in env, as far as its
// form tells: what stands behind binding or name, and the names of vars.
func (k *checker) bound() map[string]bool {
	names := map[string]bool{}
	for _, e := range k.config.top {
		value := decoded(e.value)
		if vars, ok := value.(map[string]any); ok && e.key == "vars" {
			for name := range vars {
				names[name] = true
			}
			continue
		}
		collect(value, names)
	}
	return names
}

func collect(value any, names map[string]bool) {
	switch v := value.(type) {
	case []any:
		for _, one := range v {
			collect(one, names)
		}
	case map[string]any:
		for key, one := range v {
			if name, ok := one.(string); ok && (key == "binding" || key == "name") {
				names[name] = true
			}
			collect(one, names)
		}
	}
}
