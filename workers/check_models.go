package workers

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nearside/workers/traffic"
)

// used is where a model is asked for.
type used struct {
	places []string
	seen   *traffic.Model // nil: no call was seen
}

// where are the places, and the calls that were seen.
func (u *used) where() []string {
	where := slices.Clone(u.places)
	if u.seen != nil {
		where = append(where, calls(u.seen.Calls)+" of env.AI.run")
	}
	return where
}

// models are those that source, configuration and traffic name.
func (k *checker) models() map[string]*used {
	all := map[string]*used{}
	at := func(id string) *used {
		if m, known := k.Models(id); known {
			id = m.ID
		}
		if all[id] == nil {
			all[id] = &used{}
		}
		return all[id]
	}
	note := func(where, line string) {
		for _, m := range modelLiteral.FindAllStringSubmatch(line, -1) {
			if _, known := k.Models(m[1]); known || !strings.HasPrefix(m[1], "@nearside/") { // a package may be called so
				u := at(m[1])
				u.places = append(u.places, where)
			}
		}
	}
	k.lines(note)
	eachLine(k.ownText(), func(number int, line string) { note(place(k.File.base(), number), line) })
	if k.Traffic != nil {
		for id, seen := range k.Traffic.Total.Models {
			at(id).seen = seen
		}
	}
	return all
}

// ownText is the configuration with empty lines in place of nearside's environments,
// which repeat what stands elsewhere.
func (k *checker) ownText() string {
	text := string(k.File.Text)
	for name, plugin := range k.config.environments {
		if part, err := k.File.lang.find(k.File.Text, name); plugin != "" && err == nil && part != "" {
			text = strings.Replace(text, part, strings.Repeat("\n", strings.Count(part, "\n")), 1)
		}
	}
	return text
}

// checkModels looks at each model that is asked for.
func (k *checker) checkModels() {
	all := k.models()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		m, known := k.Models(id)
		u := all[id]
		switch where := u.where(); {
		case !known:
			k.find(Breaks, "model-unknown", where, id+" is no model that nearside's catalogue knows",
				"a model that does not exist is refused with 5007", "look for a slip in the name; if Cloudflare has had it since, try it there")
		case !m.Cloudflare:
			k.find(Breaks, "model-nearside", where, id+" is a model of nearside's or of your own models.yaml",
				"it does not exist", "use a model whose name begins with @cf/")
		case m.Deprecated != "":
			k.find(Breaks, "model-deprecated", where, id+" was given up by Cloudflare ("+m.Deprecated+")",
				"calls fail, or are answered by another model", "use "+m.Successor)
		default:
			k.checkActive(id, m, u)
		}
	}
}

// checkActive looks at a model that Cloudflare has.
func (k *checker) checkActive(id string, m Model, u *used) {
	where := u.where()
	if m.Paid && k.Plan == Free {
		k.find(Breaks, "model-paid", where, id+" needs a paid plan", "the free plan answers 403, 5035", "use another model, or Workers Paid (and --plan paid here)")
	}
	if !m.Priced {
		k.find(Costs, "model-unpriced", where, id+" has no published price", "what it costs is not known here: its calls count 0 neurons below", "look at its page before it gets much traffic")
	}
	if u.seen == nil {
		return
	}
	if u.seen.Substitute > 0 {
		k.find(Differs, "model-substitute", where, fmt.Sprintf("%s of %d calls of %s were answered by %s", grouped(u.seen.Substitute), u.seen.Calls, id, u.seen.Served),
			"the model itself answers: other words, other vectors", "compute vectors that you stored again there; to rehearse with the model itself, see: nearside models check")
	}
	if most, known := perMinute(m); known && u.seen.Peak*k.Times > most {
		k.find(Breaks, "rate-limit", where, fmt.Sprintf("%s in one minute, of %s%s", calls(u.seen.Peak), id, k.times()),
			fmt.Sprintf("an account may make %s a minute of %s calls; beyond it is 429, 3021", grouped(most), m.Task), "spread the calls, or catch 429 and wait")
	}
}

// times says that the traffic is taken so many times.
func (k *checker) times() string {
	if k.Times == 1 {
		return ""
	}
	return fmt.Sprintf(", taken %s times", grouped(k.Times))
}

// checkGateways names the AI gateways that the project has to make.
func (k *checker) checkGateways() {
	for _, name := range slices.Sorted(maps.Keys(k.Traffic.Total.Gateways)) {
		if name != "default" {
			k.find(Differs, "gateway", []string{calls(k.Traffic.Total.Gateways[name]) + " of env.AI"}, "calls go through the AI gateway "+name,
				"a gateway has to be made before it is called; here any name works", "make it in the dashboard, under AI Gateway")
		}
	}
}
