package server

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"

	"nearside/edge"
	"nearside/fault"
)

// maxSession is the largest request that opens a session: the program that wrangler
// would have run beside the bindings is 110 KB, and is not kept.
const maxSession = 4 << 20

// hostless is a subdomain that no host name can have. The client cannot make a name of
// it, and keeps the address that it began with, which is 127.0.0.1.
const hostless = "local:1"

// uploadToken is what a client shows when it opens a session. The key counts, not this.
const uploadToken = "nearside"

// errNoEdge is the answer of a server that was started without the edge.
var errNoEdge = notBuilt("this nearside has no Workers edge, which remote bindings need; start it with: nearside serve --workers-edge")

// showSubdomain answers GET …/workers/subdomain: where sessions are.
func showSubdomain(s *Server, c *call) error {
	if s.parts.Edge == nil {
		return errNoEdge
	}
	return c.reply(struct {
		Subdomain string `json:"subdomain"`
	}{hostless})
}

// beginSession answers GET …/workers/subdomain/edge-preview.
func beginSession(s *Server, c *call) error {
	if s.parts.Edge == nil {
		return errNoEdge
	}
	return c.reply(struct {
		Token string `json:"token"`
	}{uploadToken})
}

// uploadedWorker is what counts of the Worker that a client uploads for a session.
type uploadedWorker struct {
	Bindings []struct {
		Name  string `json:"name"`
		Type  string `json:"type"`
		Index string `json:"index_name"`
	} `json:"bindings"`
}

// openSession answers POST …/workers/scripts/{worker}/edge-preview: from now on the
// bindings of the Worker are answered to whoever shows the token.
func openSession(s *Server, c *call) error {
	if s.parts.Edge == nil {
		return errNoEdge
	}
	worker, err := c.uploadedWorker()
	if err != nil {
		return err
	}
	session := edge.Session{Account: c.account, Key: c.key.ID}
	for _, b := range worker.Bindings {
		session.Bindings = append(session.Bindings, edge.Binding{Name: b.Name, Type: b.Type, Resource: b.Index})
	}
	token, err := s.parts.Edge.Seal(session)
	if err != nil {
		return err
	}
	return c.reply(struct {
		Token string `json:"preview_token"`
	}{token})
}

// uploadedWorker reads the part "metadata" of a form, and passes over the others.
func (c *call) uploadedWorker() (uploadedWorker, error) {
	var worker uploadedWorker
	body, err := c.body()
	if err != nil {
		return worker, err
	}
	_, params, err := mime.ParseMediaType(c.header("Content-Type"))
	if err != nil {
		return worker, fault.For(reasonWrapped, "the Content-Type cannot be read: %v", err)
	}
	source := &watched{r: body}
	found, err := readMetadata(multipart.NewReader(source, params["boundary"]), &worker)
	switch {
	case source.err != nil:
		return worker, source.err
	case err != nil:
		return worker, fault.For(reasonWrapped, "the form of the Worker cannot be read: %v", err)
	case !found:
		return worker, fault.For(reasonWrapped, `the form of the Worker has no part "metadata"`)
	}
	return worker, nil
}

// readMetadata reads a form to its end.
func readMetadata(form *multipart.Reader, worker *uploadedWorker) (found bool, err error) {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		if found || part.FormName() != "metadata" {
			continue
		}
		found = true
		if err := json.NewDecoder(io.LimitReader(part, maxSmall)).Decode(worker); err != nil {
			return found, err
		}
	}
}
