package llm

import "github.com/google/uuid"

// Source is a catalogue file.
type Source struct {
	Name  string // as faults should name it
	Bytes []byte
}

// Load reads models.yaml. Whatever is wrong with it is refused with its line.
func Load(source []byte) (*Catalogue, error) {
	return LoadFiles(Source{"models.yaml", source})
}

// LoadFiles reads catalogue files, each merged onto those before it. Tasks and
// backends are merged by name and models by id: a key that is given replaces the
// one before, lists and all; an entry that is new is added at the end. The section
// auto replaces the one before. Whatever is wrong is refused with file and line,
// and then nothing is loaded.
func LoadFiles(files ...Source) (*Catalogue, error) {
	l := &loader{Catalogue: &Catalogue{byID: map[string]*Model{}, aliases: map[string]string{}}}
	for i, source := range files {
		if err := l.read(source, i == 0); err != nil {
			return nil, err
		}
	}
	steps := []func() error{
		l.addTasks, l.addServers, l.addModels, l.resolveAliases, l.checkBackends, l.checkReferences, l.addRules,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return l.Catalogue, nil
}

// loader turns the entries of catalogue files into a catalogue.
type loader struct {
	*Catalogue
	first place // the first file
	tasksRead, serversRead,
	modelsRead entries
	rulesRead []*entry
}

// read takes over a file's entries.
func (l *loader) read(source Source, first bool) error {
	file, err := parse(source)
	if err != nil {
		return err
	}
	if first {
		l.first = file
	}
	sections := map[string]func([]place) error{
		"tasks":    func(items []place) error { return l.tasksRead.merge("task", "name", items) },
		"backends": func(items []place) error { return l.serversRead.merge("backend", "name", items) },
		"models":   func(items []place) error { return l.modelsRead.merge("model", "id", items) },
		"auto": func(items []place) error {
			l.rulesRead = nil
			for _, item := range items {
				l.rulesRead = append(l.rulesRead, &entry{places: []place{item}})
			}
			return nil
		},
	}
	return file.eachKey(func(name string, section place) error {
		take := sections[name]
		if take == nil {
			return section.wrong("unknown section %q; there are tasks, backends, models and auto", name)
		}
		items, err := section.items()
		if err != nil {
			return err
		}
		return take(items)
	})
}

func (l *loader) addTasks() error {
	for _, e := range l.tasksRead {
		var t TaskEntry
		if err := e.decode(&t); err != nil {
			return err
		}
		if t.Description == "" {
			return e.wrong("a task needs a name and a description")
		}
		if _, err := uuid.Parse(t.ID); err != nil {
			return e.at("id").wrong("task %q has the id %q, which is not a UUID", t.Name, t.ID)
		}
		l.tasks = append(l.tasks, t)
	}
	return nil
}
