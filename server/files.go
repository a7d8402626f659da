package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"nearside/catalog/manifest"
	"nearside/fault"
	"nearside/rag"
	"nearside/vectorize"
)

// Limits of a call about uploaded files.
const (
	maxFilesBody = 4 << 30   // all files of one upload
	maxFileField = 64 << 10  // an option in a form
	maxFilePage  = 1000      // files in one page
	maxPassage   = 1_000_000 // tokens that somebody may ask a passage to have; the model decides what it can
)

// uploadOptions are what beside the files says how they are loaded: parameters of the query, or fields of the form.
type uploadOptions struct {
	namespace     string
	metadata      json.RawMessage
	size, overlap int
}

// set sets an option by its name; false = there is no such option.
func (o *uploadOptions) set(name, value string) (known bool, err error) {
	switch name {
	case "namespace":
		o.namespace = value
	case "metadata":
		if o.metadata = nil; value != "" {
			o.metadata = json.RawMessage(value)
		}
	case "size":
		o.size, err = tokensOption(name, value)
	case "overlap":
		o.overlap, err = tokensOption(name, value)
	default:
		return false, nil
	}
	return true, err
}

func tokensOption(name, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > maxPassage {
		return 0, fault.For(reasonQuery, "%s is %s; it is a number of tokens, 0 to %d", name, quoteShort(value), maxPassage)
	}
	return n, nil
}

// uploadFiles answers POST …/nearside/indexes/{index}/files: a form with files, or one file as the body, under ?path=. What
// it answers is the job that loads them. They are on the disk by then.
func uploadFiles(s *Server, c *call) (err error) {
	var o uploadOptions
	for name := range c.query {
		if _, err := o.set(name, c.queryParam(name)); err != nil {
			return err
		}
	}
	upload, err := s.parts.Files.Begin(c, c.account, c.param(indexParam))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, upload.Discard()) }()
	if err := c.receiveFiles(upload, &o); err != nil {
		return err
	}
	if err := c.mayLoad(o.namespace); err != nil {
		return err
	}
	j, err := upload.Load(c, rag.UploadOptions{Payer: c.payer(), Limits: c.key.Limits, Namespace: o.namespace, Metadata: o.metadata, Size: o.size, Overlap: o.overlap})
	if err != nil {
		return err
	}
	c.status = fiber.StatusAccepted
	return c.reply(newJobObject(j))
}

// receiveFiles reads the files of the body. If reading the body failed, that is the error.
func (c *call) receiveFiles(upload *rag.Upload, o *uploadOptions) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	from := &watched{r: body}
	media, params, err := mime.ParseMediaType(c.header("Content-Type"))
	switch path := c.queryParam("path"); {
	case err == nil && media == typeMultipart:
		err = c.filesForm(multipart.NewReader(from, params["boundary"]), upload, o)
	case path == "":
		return fault.For(rag.ReasonFile, "send files as a form (%s), or one file as the body with its name in the query: ?path=guide/intro.md", typeMultipart)
	default:
		err = upload.Add(path, saidType(media), from)
	}
	if from.err != nil {
		return from.err
	}
	return err
}

// saidType is a media type that says something.
func saidType(media string) string {
	if slices.Contains([]string{typeBytes, "application/x-www-form-urlencoded"}, media) { // what clients send who do not know
		return ""
	}
	return media
}

// filesForm reads a form. Parts with a file's name are files, whatever they are called; the others are options.
func (c *call) filesForm(form *multipart.Reader, upload *rag.Upload, o *uploadOptions) error {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fault.For(rag.ReasonFile, "the body is no form (%s), or ends before its end", typeMultipart)
		}
		if isFile(part) {
			media, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
			if err := upload.Add(fileName(part), saidType(media), part); err != nil {
				return brokenOff(err)
			}
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, maxFileField+1))
		if err != nil {
			return brokenOff(err)
		}
		if len(value) > maxFileField {
			return fault.For(rag.ReasonFile, "the field %s of the form has more than %d bytes", quoteShort(part.FormName()), maxFileField)
		}
		if known, err := o.set(part.FormName(), string(value)); err != nil {
			return err
		} else if !known {
			return fault.For(rag.ReasonFile, "the field %s of the form is no option and no file: a file has a filename; the options are namespace, metadata, size and overlap", quoteShort(part.FormName()))
		}
	}
}

// brokenOff says so of a form that ends in the middle.
func brokenOff(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.For(rag.ReasonFile, "the form ends in the middle of a part")
	}
	return err
}

// fileName is the name of a part's file as it was sent, with its folders: multipart.Part would cut them off.
func fileName(part *multipart.Part) string {
	_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition")) // isFile has read it
	return params["filename"]
}

// mayLoad refuses a namespace that the caller's key does not open. Keys that are limited by a filter see
// records one by one, and files not at all.
func (c *call) mayLoad(namespace string) error {
	switch l := c.key.Limits; {
	case c.key.anybody():
		return nil
	case l.Filter != nil:
		return forbidden(reasonScope, "this key sees only the records that pass a filter, and files are no records")
	case l.Namespaces != nil && !slices.Contains(l.Namespaces, namespace):
		return forbidden(reasonScope, fmt.Sprintf("this key does not open the namespace %s; name one that it opens: ?namespace=…", quoteShort(namespace)))
	}
	return nil
}

// fileObject is an uploaded file on the wire.
type fileObject struct {
	Path    string         `json:"path"`
	State   manifest.State `json:"state"`
	Reason  string         `json:"reason,omitempty"`
	Size    int64          `json:"size"`
	Records int            `json:"records"`
	Changed string         `json:"changed_on"`
}

// listFiles answers GET …/nearside/indexes/{index}/files: a page of them, by path.
func listFiles(s *Server, c *call) error {
	namespace := c.queryParam("namespace")
	if err := c.mayLoad(namespace); err != nil {
		return err
	}
	look := rag.FileLook{After: c.queryParam("after"), State: manifest.State(c.queryParam("state"))}
	if states := []manifest.State{"", manifest.Loading, manifest.Loaded, manifest.Failed}; !slices.Contains(states, look.State) {
		return fault.For(reasonQuery, "there is no state %s; there are %s, %s and %s", quoteShort(string(look.State)), manifest.Loading, manifest.Loaded, manifest.Failed)
	}
	var err error
	if look.Limit, err = c.queryInt("limit", 100, 1, maxFilePage); err != nil {
		return err
	}
	list, err := s.parts.Files.Files(c, c.account, c.param(indexParam), namespace, look)
	if err != nil {
		return err
	}
	objects := make([]fileObject, len(list))
	for i, f := range list {
		objects[i] = fileObject{f.Path, f.State, f.Reason, f.Size, f.Records, wireTime(f.Changed)}
	}
	return c.reply(objects)
}

// removeFile answers DELETE …/nearside/indexes/{index}/files?path=: the file's records leave the index.
func removeFile(s *Server, c *call) error {
	namespace, path := c.queryParam("namespace"), c.queryParam("path")
	if err := c.mayLoad(namespace); err != nil {
		return err
	}
	if path == "" {
		return fault.For(reasonQuery, "the query parameter path is missing: it names the file, as GET …/files lists it")
	}
	within, err := vectorize.Within(c.key.Limits)
	if err != nil {
		return err
	}
	if err := s.parts.Files.Remove(c, c.account, c.param(indexParam), namespace, path, within); err != nil {
		return err
	}
	return c.reply(struct {
		Path string `json:"path"`
	}{path})
}
