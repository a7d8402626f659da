package server

import (
	"time"

	"nearside/catalog"
)

// projectObject is a Workers project on the wire; Secret is there once, when it is made.
type projectObject struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Account string `json:"account"`
	Created string `json:"created_on"`
	Secret  string `json:"secret,omitempty"`
}

func newProjectObject(p catalog.Project) projectObject {
	return projectObject{ID: p.ID, Name: p.Name, Account: p.Account, Created: p.Created.Format(time.RFC3339Nano)}
}

// createProject answers POST …/nearside/projects: the bindings of the project are
// answered from then on. A project of the same name loses its secret.
func createProject(s *Server, c *call) error {
	var wanted struct {
		Name string `json:"name"`
	}
	if err := c.bindExactly(&wanted); err != nil {
		return err
	}
	project, secret, err := s.parts.Projects.CreateProject(c, c.account, wanted.Name)
	if err != nil {
		return err
	}
	object := newProjectObject(project)
	object.Secret = secret
	return c.reply(object)
}

// listProjects answers GET …/nearside/projects.
func listProjects(s *Server, c *call) error {
	objects := []projectObject{}
	for _, p := range s.parts.Projects.Projects(c.account) {
		objects = append(objects, newProjectObject(p))
	}
	return c.reply(objects)
}

// deleteProject answers DELETE …/nearside/projects/{project}.
func deleteProject(s *Server, c *call) error {
	if err := s.parts.Projects.DeleteProject(c, c.account, c.param("project")); err != nil {
		return err
	}
	return c.reply(struct {
		ID string `json:"id"`
	}{c.param("project")})
}
