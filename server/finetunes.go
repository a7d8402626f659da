package server

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"time"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/finetune"
)

// maxFinetuneAsset is the largest body of an upload: a file, and the form around it.
const maxFinetuneAsset = finetune.MaxAsset + 64<<10

// reasonNoForm is an upload that is not the form that it should be.
const reasonNoForm fault.Reason = "finetune_form"

// finetuneObject is a fine-tune on the wire.
type finetuneObject struct {
	ID          string    `json:"id"`
	Model       string    `json:"model"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Public      bool      `json:"public"`
	Created     time.Time `json:"created_at"`
	Modified    time.Time `json:"modified_at"`
}

// assetObject is a file of a fine-tune on the wire.
type assetObject struct {
	ID       string    `json:"id"`
	Finetune string    `json:"finetune_id"`
	Name     string    `json:"file_name"`
	Bucket   string    `json:"bucket_name"` // the folder of the data directory
	Created  time.Time `json:"created_at"`
	Modified time.Time `json:"modified_at"`
}

func newFinetuneObject(f finetune.Finetune) finetuneObject {
	return finetuneObject{f.ID, f.Model, f.Name, f.Description, f.Public, f.Created, f.Modified}
}

func finetuneObjects(list []finetune.Finetune) []finetuneObject {
	objects := make([]finetuneObject, len(list))
	for i, f := range list {
		objects[i] = newFinetuneObject(f)
	}
	return objects
}

// createFinetune answers POST …/ai/finetunes.
func createFinetune(s *Server, c *call) error {
	var request struct {
		Model       string `json:"model"`
		Name        string `json:"name"`
		Description string `json:"description"`
		Public      bool   `json:"public"`
	}
	body, err := c.modelBody()
	if err != nil {
		return err
	}
	if err := decodeJSON(body, &request); err != nil {
		return err
	}
	m, err := s.parts.Models.Catalogue().Model(request.Model)
	if err != nil || !m.Can(llm.LoRA) {
		return fault.For(finetune.ReasonModel, "the model %s takes no fine-tunes; GET ai/models/search shows which models do: those with the property lora", quoteShort(request.Model))
	}
	made, err := s.parts.Finetunes.Create(c, finetune.Finetune{
		Account: c.account, Model: m.ID, Name: request.Name, Description: request.Description, Public: request.Public,
	})
	if err != nil {
		return err
	}
	return c.reply(newFinetuneObject(made))
}

// listFinetunes answers GET …/ai/finetunes: those of the account.
func listFinetunes(s *Server, c *call) error {
	list, err := s.parts.Finetunes.List(c, c.account)
	if err != nil {
		return err
	}
	return c.reply(finetuneObjects(list))
}

// listPublicFinetunes answers GET …/ai/finetunes/public: those of all accounts that are marked so.
func listPublicFinetunes(s *Server, c *call) error {
	most, err := c.queryInt("limit", 100, 1, 1000)
	if err != nil {
		return err
	}
	first, err := c.queryInt("offset", 0, 0, 1_000_000)
	if err != nil {
		return err
	}
	list, err := s.parts.Finetunes.Public(c)
	if err != nil {
		return err
	}
	first = min(first, len(list))
	return c.reply(finetuneObjects(list[first:min(first+most, len(list))]))
}

// removeFinetune answers DELETE …/nearside/finetunes/{finetune}, which Cloudflare does not have.
func removeFinetune(s *Server, c *call) error {
	if err := s.parts.Finetunes.Remove(c, c.account, c.param("finetune")); err != nil {
		return err
	}
	return c.reply(nil)
}

// uploadFinetune answers POST …/ai/finetunes/{finetune}/finetune-assets: a form with
// the parts file_name and file, in any order. The file goes to the disk as it comes.
func uploadFinetune(s *Server, c *call) (err error) {
	upload, err := s.parts.Finetunes.Begin(c, c.account, c.param("finetune"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, upload.Discard()) }()
	name, err := c.finetuneForm(upload)
	if err != nil {
		return err
	}
	kept, err := upload.Keep(c, name)
	if err != nil {
		return err
	}
	return c.reply(assetObject{kept.ID, kept.Finetune, kept.Name, "finetunes", kept.Kept, kept.Kept})
}

// finetuneForm reads the form of an upload. If reading the body failed, that is the error.
func (c *call) finetuneForm(upload *finetune.Upload) (name string, err error) {
	media, params, err := mime.ParseMediaType(c.header("Content-Type"))
	if err != nil || media != typeMultipart {
		return "", fault.For(reasonNoForm, "the body is %s; send a form (%s) with the parts file_name and file", quoteShort(c.header("Content-Type")), typeMultipart)
	}
	body, err := c.body()
	if err != nil {
		return "", err
	}
	source := &watched{r: body}
	if name, err = readFinetuneForm(multipart.NewReader(source, params["boundary"]), upload); source.err != nil {
		return "", source.err
	}
	return name, err
}

// readFinetuneForm receives the part file and returns the part file_name. Where
// that is not sent, the file's own name counts.
func readFinetuneForm(parts *multipart.Reader, upload *finetune.Upload) (name string, err error) {
	const longest = 256
	ofFile, sent := "", false
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", brokenForm(err)
		}
		switch part.FormName() {
		case "file_name":
			text, err := io.ReadAll(io.LimitReader(part, longest))
			if err != nil {
				return "", brokenForm(err)
			}
			name = string(text)
		case "file":
			if sent {
				return "", fault.For(reasonNoForm, "the form has two parts called file; send one file in a form")
			}
			ofFile, sent = part.FileName(), true
			if err := upload.Receive(part); err != nil {
				return "", brokenForm(err)
			}
		}
	}
	if !sent {
		return "", fault.For(reasonNoForm, "the form has no part called file")
	}
	if name == "" {
		name = ofFile
	}
	return name, nil
}

// brokenForm is the fault of a form that cannot be read; faults pass unchanged.
func brokenForm(err error) error {
	if fault.As(err) != nil {
		return err
	}
	return fault.For(reasonNoForm, "the form cannot be read: %s", err).Because(err)
}
