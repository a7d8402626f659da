package server

import (
	"context"
	"maps"
	"slices"
	"strings"

	"nearside/catalog"
	"nearside/fault"
)

// A binding is an object in a Worker's env: env.AI, env.VECTORIZE. The runtime
// makes it, and sends its calls wherever it was told to, to a host of its own
// invention and to paths that belong to the type of the binding. So these calls are
// known by headers, which the runtime adds: the type, the resource that the binding
// is for, and the secret of the project (catalog.Project). They pass neither the
// Host check nor the keys; the secret is needed also where no key is, so that
// no web page can make such a call. Calls from the Workers edge (edge.go) come
// through a door of their own, to the same routes.
//
// A program that is no Worker has the same objects from nearside.js. Without a project
// it names an account instead; then a call is let in as one of the public API is, by
// its Host and its key.
const (
	headerBindingType    = "X-Binding-Type"
	headerBindingSecret  = "X-Binding-Secret"
	headerBindingAccount = "X-Binding-Account"
	headerResource       = "X-Resource-Id"
)

// bindings are the types of bindings that are answered, each with its routes: a file for each.
var bindings = map[string][]Route{
	"ai":        aiBinding,
	"vectorize": vectorizeBinding,
}

// Projects knows the projects whose bindings are answered; *catalog.Catalog does.
type Projects interface {
	CreateProject(ctx context.Context, account, name string) (catalog.Project, string, error)
	Project(secret string) (catalog.Project, bool)
	Projects(account string) []catalog.Project
	DeleteProject(ctx context.Context, account, id string) error
}

// bindingRouters has a router for each type.
func bindingRouters() map[string]*router {
	all := map[string]*router{}
	for name, table := range bindings {
		all[name] = newRouter(table)
	}
	return all
}

// reasonBinding is a call of a binding that is not from a project of this server.
const reasonBinding fault.Reason = "binding_secret"

// bound opens the door for a call of a binding, and returns where its routes are.
func (s *Server) bound(c *call) (*router, error) {
	c.binding = c.header(headerBindingType)
	if c.fromBrowser() {
		return nil, crossSite("a browser")
	}
	c.boundTo = c.header(headerResource)
	if c.header(headerBindingAccount) != "" {
		if err := s.boundByKey(c); err != nil {
			return nil, err
		}
		return s.boundRoutes(c.binding)
	}
	secret := strings.TrimSpace(c.header(headerBindingSecret))
	var project catalog.Project
	known := false
	if s.parts.Projects != nil {
		project, known = s.parts.Projects.Project(secret)
	}
	if !known {
		return nil, &fault.Error{Kind: fault.Unauthorized, Reason: reasonBinding,
			Message: "this project is not known to the nearside that answers here; in its folder run: nearside dev init"}
	}
	c.account = project.Account
	c.key = principal{catalog.Key{ID: project.ID, Account: project.Account, Name: project.Name, Permission: catalog.Write}}
	c.seen = s.parts.Traffic.Begin(project.ID)
	return s.boundRoutes(c.binding)
}

// boundByKey lets a program in that names the account and has its key, if one is needed.
func (s *Server) boundByKey(c *call) error {
	if err := s.checkHost(c); err != nil {
		return err
	}
	c.account = c.header(headerBindingAccount)
	if err := checkAccount(c.account); err != nil {
		return err
	}
	return s.findCaller(c)
}

// fromBrowser reports whether a browser says that it made the call. The runtime never does.
func (c *call) fromBrowser() bool {
	return c.header("Origin") != "" || c.header("Sec-Fetch-Site") != ""
}

// boundRoutes returns where the routes of a type of binding are.
func (s *Server) boundRoutes(kind string) (*router, error) {
	if s.bindings[kind] == nil {
		return nil, notBuilt("nearside does not answer bindings of the type %s, only %s", quoteShort(kind), strings.Join(slices.Sorted(maps.Keys(bindings)), " and "))
	}
	return s.bindings[kind], nil
}

// bindingFamilies say how failures look before there is a route.
var bindingFamilies = map[string]family{"vectorize": vectorizeBound}

// bindingFamily is the family of a call of a binding that has no route.
func bindingFamily(kind string) family {
	if f, ok := bindingFamilies[kind]; ok {
		return f
	}
	return aiBound
}

// resource makes what the binding is for a parameter of the call, as if it stood in the path.
func (c *call) resource(name string) error {
	value, err := unescape(name, c.boundTo)
	if err != nil {
		return err
	}
	c.params = append(c.params, param{name, value})
	return c.permitted()
}

// forResource is a handler for calls whose path does not say what they are for.
func forResource(name string, handle func(*Server, *call) error) func(*Server, *call) error {
	return func(s *Server, c *call) error {
		if err := c.resource(name); err != nil {
			return err
		}
		return handle(s, c)
	}
}

// boundFailure is the body of a failure as the object of the binding reads it; nil
// if that reads the envelope.
func (f family) boundFailure(c *call, status, code int, message string) []byte {
	var body any
	switch f {
	case vectorizeBound:
		body = struct {
			Code  int    `json:"code"`
			Error string `json:"error"`
		}{code, message}
	case aiBound:
		body = aiFailure{
			Code: code, Name: "AiError", Description: message, Message: "AiError: " + message, Status: status, Request: c.id,
			Errors: []remark{{code, message}},
		}
	default:
		return nil
	}
	encoded, err := encode(body)
	if err != nil {
		panic(err) // numbers and strings always encode
	}
	return encoded
}
