package workers

import (
	"bytes"
	"reflect"
	"regexp"

	"nearside/fault"
)

// Added is the environment that Init added, to be kept for a later Init or Undo: by it
// they know whether somebody changed the environment since.
type Added struct {
	Environment string `json:"environment"`
	Part        string `json:"part"`  // the bytes that say it
	Alone       bool   `json:"alone"` // before it there was no key env
}

// environmentName is what wrangler takes behind --env, and no language needs to quote.
var environmentName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Init returns the text with the environment in it, whose bindings the plugin in the
// file of the given path makes. Before is what an earlier Init returned; nil if that is not known.
func (f *File) Init(environment, plugin string, before *Added) ([]byte, Added, error) {
	if !environmentName.MatchString(environment) {
		return nil, Added{}, fault.New(fault.Invalid, "--env %q: an environment's name has 1 to 64 letters, digits, _ or -", environment)
	}
	base, err := f.without(environment, before)
	if err != nil {
		return nil, Added{}, err
	}
	c, err := f.lang.read(base)
	if err == nil {
		err = f.check(c)
	}
	if err != nil {
		return nil, Added{}, err
	}
	with, part, err := f.lang.add(base, environment, c.environment(plugin))
	if err != nil {
		return nil, Added{}, err
	}
	added := Added{environment, part, !c.env}
	if err := f.prove(base, with, added); err != nil {
		return nil, Added{}, err
	}
	return with, added, nil
}

// prove checks that what was added is read back, and that Undo gives back the base.
func (f *File) prove(base, with []byte, added Added) error {
	c, err := f.lang.read(with)
	if err == nil && c.has(added.Environment) {
		var again []byte
		again, err = f.lang.cut(with, added.Environment, added.Alone)
		if err == nil && bytes.Equal(again, base) {
			return nil
		}
	}
	return fault.New(fault.Unsupported, "%s is written in a way to which no environment can be added so that it could be taken out again; write env as tables, or add by hand what --print shows", f.Path).Because(err)
}

// Undo returns the text without the environment that Init added.
func (f *File) Undo(environment string, before *Added) ([]byte, error) {
	c, err := f.read()
	if err != nil {
		return nil, err
	}
	if !c.has(environment) {
		return nil, fault.New(fault.NotFound, "%s has no environment %s; there is nothing to take out", f.Path, environment)
	}
	return f.without(environment, before)
}

// without returns the text without the environment, which must be as Init made it.
func (f *File) without(environment string, before *Added) ([]byte, error) {
	c, err := f.read()
	if err != nil {
		return nil, err
	}
	part, err := f.lang.find(f.Text, environment)
	switch {
	case err != nil:
		return nil, fault.New(fault.Invalid, "%s cannot take an environment", f.Path).Because(err)
	case part == "" && c.has(environment):
		return nil, fault.New(fault.Conflict, "%s has an environment %s that is not nearside's; choose another name with --env", f.Path, environment)
	case part == "":
		return f.Text, nil
	}
	if before != nil && before.Environment == environment && before.Part == part {
		if base, ok := f.cut(c, environment, before.Alone); ok {
			return base, nil
		}
	} else if base := f.guess(c, part, environment); base != nil {
		return base, nil
	}
	return nil, fault.New(fault.Conflict, "the environment %s in %s was changed since nearside dev init wrote it; take your change out of it, or the whole of it, and try again", environment, f.Path)
}

// cut returns the text without an environment, if it says all else as before: around
// the environment there may be edits that do not go with that.
func (f *File) cut(now *config, environment string, alone bool) ([]byte, bool) {
	base, err := f.lang.cut(f.Text, environment, alone)
	if err != nil {
		return nil, false
	}
	c, err := f.lang.read(base)
	if err != nil || c.has(environment) || len(c.environments) != len(now.environments)-1 {
		return nil, false
	}
	return base, reflect.DeepEqual(c.besides("env"), now.besides("env"))
}

// guess returns the text without an environment of which only the text itself tells that
// Init made it: a part that Init would make anew, with the part's own plugin. It is nil if it is not.
func (f *File) guess(now *config, part, environment string) []byte {
	var guessed []byte
	for _, alone := range []bool{true, false} {
		base, ok := f.cut(now, environment, alone)
		if !ok {
			continue
		}
		with, again, err := f.lang.add(base, environment, now.environment(now.environments[environment]))
		if err != nil || again != part {
			continue
		}
		if bytes.Equal(with, f.Text) {
			return base // the layout tells mostly whether there was an env before
		}
		if guessed == nil {
			guessed = base
		}
	}
	return guessed
}
