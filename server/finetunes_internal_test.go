package server

import (
	"bytes"
	"encoding/binary"
	"io"
	"mime/multipart"
	"strings"
	"testing"
)

const (
	tunes     = home + "/ai/finetunes"
	loraModel = "@cf/mistral/mistral-7b-instruct-v0.2-lora"
)

// tinyAdapter is a safetensors file with one tensor.
func tinyAdapter() string {
	header := `{"q.lora_A.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}`
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header + "\x00\x00\x00\x00"
}

// form sends parts, given as name and content in turns. A name with a colon is a
// file's: the part's name and the file's.
func (h *harness) form(path string, parts ...string) answer {
	h.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i < len(parts); i += 2 {
		part, file, isFile := strings.Cut(parts[i], ":")
		create := func() (io.Writer, error) { return w.CreateFormField(part) }
		if isFile {
			create = func() (io.Writer, error) { return w.CreateFormFile(part, file) }
		}
		out, err := create()
		if err != nil {
			h.t.Fatal(err)
		}
		if _, err := out.Write([]byte(parts[i+1])); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		h.t.Fatal(err)
	}
	return h.do("POST", path, &body, "Content-Type: "+w.FormDataContentType())
}

func TestAFinetuneIsStoredListedAndRefusedOnUse(t *testing.T) {
	h, _, parts := modelled(t, Config{})
	made := result[finetuneObject](t, h.post(tunes, `{"model":"`+loraModel+`","name":"mine","description":"a test"}`))
	if made.ID == "" || made.Model != loraModel || made.Name != "mine" || made.Public || made.Created.IsZero() {
		t.Errorf("made %+v", made)
	}
	use := func(model, lora string) answer {
		return h.post(home+"/ai/run/"+model, `{"prompt":"hello","lora":"`+lora+`"}`)
	}
	use(loraModel, "mine").want(t, 400, 3039, "lacks its file adapter_config.json")
	h.form(tunes+"/mine/finetune-assets", "file_name", "adapter_config.json", "file:blob", `{"r":8}`).want(t, 200, 0, `"finetune_id":"`+made.ID+`","file_name":"adapter_config.json","bucket_name":"finetunes","created_at":"`)
	use(loraModel, made.ID).want(t, 400, 3039, "lacks its file adapter_model.safetensors")
	h.form(tunes+"/"+made.ID+"/finetune-assets/", "file:adapter_model.safetensors", tinyAdapter()).want(t, 200, 0)
	use(loraModel, "mine").want(t, 405, 5005, "no backend of nearside runs adapters")
	use("@cf/google/gemma-7b-it-lora", "mine").want(t, 405, 5005, "was made for "+loraModel)
	use(llama, "mine").want(t, 405, 5005, "takes no fine-tunes")
	use(loraModel, "another").want(t, 404, 10404, `no fine-tune with the id or name \"another\"`)
	h.post(home+"/ai/v1/completions", `{"model":"`+loraModel+`","prompt":"hello","lora":"mine"}`).want(t, 405, 5005)
	if charged(t, parts) != 0 {
		t.Errorf("charged %s", charged(t, parts))
	}
	if list := result[[]finetuneObject](t, h.do("GET", tunes+"/", nil)); len(list) != 1 || list[0].ID != made.ID || list[0].Description != "a test" {
		t.Errorf("listed %+v", list)
	}
	h.do("GET", tunes+"/public", nil).want(t, 200, 0, `"result":[]`)
	h.do("GET", "/client/v4/accounts/other/ai/finetunes", nil).want(t, 200, 0, `"result":[]`)
	h.do("DELETE", home+"/nearside/finetunes/mine", nil).want(t, 200, 0)
	h.do("GET", tunes, nil).want(t, 200, 0, `"result":[]`)
	h.do("DELETE", home+"/nearside/finetunes/mine", nil).want(t, 404, 10404)
}

func TestPublicFinetunesAreListedForAllByPage(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	for _, name := range []string{"a", "b", "c"} {
		h.post(tunes, `{"model":"`+loraModel+`","name":"`+name+`","public":true}`).want(t, 200, 0, `"public":true`)
	}
	for query, want := range map[string]string{"": "a b c", "?limit=2": "a b", "?offset=2": "c", "?limit=1&offset=1": "b", "?offset=9": ""} {
		var names []string
		for _, f := range result[[]finetuneObject](t, h.do("GET", "/client/v4/accounts/other/ai/finetunes/public"+query, nil)) {
			names = append(names, f.Name)
		}
		if strings.Join(names, " ") != want {
			t.Errorf("%s: got %v, want %s", query, names, want)
		}
	}
	h.do("GET", tunes+"/public?limit=0", nil).want(t, 400, 5006)
}

func TestWhatIsNoFinetuneIsRefused(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	h.post(tunes, `{"model":"`+loraModel+`","name":"mine"}`).want(t, 200, 0)
	for _, test := range []struct {
		body         string
		status, code int
		fragment     string
	}{
		{`{"model":"` + llama + `","name":"x"}`, 400, 1000, "takes no fine-tunes"},
		{`{"model":"@cf/no/such","name":"x"}`, 400, 1000, "takes no fine-tunes"},
		{`{"name":"x"}`, 400, 1000, "takes no fine-tunes"},
		{`{"model":"` + loraModel + `"}`, 400, 5006, "needs a name"},
		{`{"model":"` + loraModel + `","name":"mine"}`, 409, 10409, "choose another name"},
		{``, 400, 3003, "the body is missing"},
		{`{"model":7}`, 400, 5006, "model"},
		{`{`, 400, 5006, "JSON"},
	} {
		h.post(tunes, test.body).want(t, test.status, test.code, test.fragment)
	}
	assets := tunes + "/mine/finetune-assets"
	h.post(assets, `{}`).want(t, 400, 3003, "multipart/form-data")
	h.do("POST", assets, strings.NewReader("--x\r\nnothing"), "Content-Type: multipart/form-data; boundary=x").want(t, 400, 3003, "cannot be read")
	h.form(assets, "file_name", "adapter_config.json").want(t, 400, 3003, "no part called file")
	h.form(assets, "file_name", "evil/../../x", "file:x", "x").want(t, 400, 5006, "it can be adapter_config.json or adapter_model.safetensors")
	h.form(assets, "file_name", "adapter_config.json", "file:x", `{"r":64}`).want(t, 400, 5006, "rank 64; at most 32")
	h.form(assets, "file_name", "adapter_config.json", "file:x", `{"r":6}`, "file:y", `{"r":6}`).want(t, 400, 3003, "two parts called file")
	h.form(assets, "file:x", `{"r":6}`, "file_name", "adapter_config.json").want(t, 200, 0)
	h.form(assets, "file_name", "adapter_config.json", "file:x", `{"r":6}`).want(t, 409, 10409, "files are not replaced")
	h.form(tunes+"/another/finetune-assets", "file_name", "adapter_config.json", "file:x", `{"r":6}`).want(t, 404, 10404)
}
