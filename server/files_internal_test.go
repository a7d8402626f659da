package server

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"testing"

	"nearside/catalog"
	"nearside/llm/neuron"
)

const (
	filesPath = home + "/nearside/indexes/notes/files"
	jobsPath  = home + "/nearside/jobs"
)

// sent is a file of a form.
type sentFile struct{ path, kind, content string }

// sendFiles uploads files as a form, with fields "name=value", and returns the answer.
func (h *harness) sendFiles(query string, fields []string, files []sentFile, headers ...string) answer {
	h.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i, f := range files {
		head := textproto.MIMEHeader{}
		head.Set("Content-Disposition", fmt.Sprintf(`form-data; name="f%d"; filename="%s"`, i, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(f.path)))
		if f.kind != "" {
			head.Set("Content-Type", f.kind)
		}
		part, err := form.CreatePart(head)
		if err == nil {
			_, err = io.WriteString(part, f.content)
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		if err := form.WriteField(name, value); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		h.t.Fatal(err)
	}
	return h.do("POST", filesPath+query, &body, append(headers, "Content-Type: "+form.FormDataContentType())...)
}

// accepted is the job that an upload was answered with.
func (h *harness) accepted(a answer) jobObject {
	h.t.Helper()
	if a.status != 202 {
		h.t.Fatalf("status %d: %.300s", a.status, a.body)
	}
	a.status = 200
	return resultOf[jobObject](h.t, a)
}

// jobEnds waits until a job has ended.
func (h *harness) jobEnds(a answer, headers ...string) (j jobObject) {
	h.t.Helper()
	j = h.accepted(a)
	until(h.t, "the job to end", func() bool {
		j = resultOf[jobObject](h.t, h.do("GET", fmt.Sprintf("%s/%d", jobsPath, j.ID), nil, headers...))
		return j.State.Ended()
	})
	return j
}

// matches are the texts that the index has for a question, one after the other.
func (h *harness) matches(question string) string {
	h.t.Helper()
	a := h.post(home+"/nearside/indexes/notes/search", fmt.Sprintf(`{"query":%q,"topK":20}`, question))
	var all []string
	for _, p := range resultOf[struct{ Passages []passage }](h.t, a).Passages {
		all = append(all, p.Text)
	}
	return strings.Join(all, "\n")
}

// filed starts a server with the index notes, and returns what is behind it.
func filed(t *testing.T, config Config) (*harness, servers, Parts) {
	t.Helper()
	h, s, parts := modelled(t, config)
	notes(h)
	return h, s, parts
}

func TestUploadedFilesAreLoadedListedReplacedAndRemoved(t *testing.T) {
	h, _, parts := filed(t, Config{})
	a := h.sendFiles("", []string{`metadata={"lang":"en"}`}, []sentFile{
		{"guide/cats.md", "", "# Cats\n\nA cat sleeps all day."}, {"dogs.txt", "text/plain", "A dog barks at night."},
	})
	a.want(t, 202, 0, `"kind":"files"`, `"index":"notes"`, `"total":2`)
	j := h.jobEnds(a)
	if p := j.Progress; j.State != "done" || p.Documents != 2 || p.Failed != 0 || p.Chunks != 2 || p.Tokens == 0 || j.Started == nil || j.Ended == nil {
		t.Errorf("the job is %+v", j)
	}
	h.do("GET", filesPath, nil).want(t, 200, 0, `"path":"dogs.txt","state":"loaded","size":21,"records":1`, `"path":"guide/cats.md"`)
	h.do("GET", filesPath+"?limit=1&after=dogs.txt&state=loaded", nil).want(t, 200, 0, `"result":[{"path":"guide/cats.md"`)
	h.do("GET", filesPath+"?state=failed", nil).want(t, 200, 0, `"result":[]`)
	found := h.post(home+"/nearside/indexes/notes/search", `{"query":"cat","topK":20}`)
	found.want(t, 200, 0, `"path":"guide/cats.md"`, `"source":"files"`, `"lang":"en"`)

	// The same again costs nothing; another content of the same path takes its place.
	before := charged(t, parts)
	if j := h.jobEnds(h.sendFiles("", []string{`metadata={"lang":"en"}`}, []sentFile{{"dogs.txt", "", "A dog barks at night."}})); j.Progress.Unchanged != 1 || charged(t, parts) != before {
		t.Errorf("the same again: %+v", j)
	}
	h.jobEnds(h.do("POST", filesPath+"?path=dogs.txt", strings.NewReader("A wolf howls."), "Content-Type: application/x-www-form-urlencoded"))
	if all := h.matches("dog"); !strings.Contains(all, "wolf") || strings.Contains(all, "barks") || !strings.Contains(all, "sleeps") {
		t.Errorf("after a replacement there is %q", all)
	}

	h.do("DELETE", filesPath+"?path=dogs.txt", nil).want(t, 200, 0, `"path":"dogs.txt"`)
	h.do("DELETE", filesPath+"?path=dogs.txt", nil).want(t, 404, 10404, "dogs.txt")
	h.do("GET", filesPath, nil).want(t, 200, 0, `"result":[{"path":"guide/cats.md"`)
	if all := h.matches("dog"); strings.Contains(all, "wolf") || !strings.Contains(all, "sleeps") {
		t.Errorf("after a removal there is %q", all)
	}
	h.jobEnds(h.do("POST", filesPath+"?path=dogs.txt", strings.NewReader("A wolf howls."))) // as if it had never been there
	if all := h.matches("dog"); !strings.Contains(all, "wolf") {
		t.Errorf("after it was sent again there is %q", all)
	}
	if n := len(resultOf[[]jobObject](t, h.do("GET", jobsPath+"?index=notes&kind=files&state=done", nil))); n != 4 {
		t.Errorf("%d jobs are listed", n)
	}
	h.do("GET", jobsPath+"?state=lost", nil).want(t, 400, 10400, "queued")
	h.do("GET", jobsPath+"/x", nil).want(t, 400, 7003, "number of a job")
	h.do("GET", jobsPath+"/999999", nil).want(t, 404, 10404, "no job 999999")
	h.do("POST", fmt.Sprintf("%s/%d/cancel", jobsPath, j.ID), nil).want(t, 409, 10409, "is done")
	h.do("GET", "/metrics", nil).want(t, 200, 0, "nearside_jobs_running 0", "nearside_jobs_queued 0", `nearside_jobs_total{what="done"} 4`)
}

// The failed charges of a job's calls included, what it tells is what the ledger holds.
func TestWhatAJobTellsOfItsCostIsWhatIsCharged(t *testing.T) {
	h, s, parts := filed(t, Config{})
	var files []sentFile
	for i := range 30 {
		files = append(files, sentFile{fmt.Sprintf("%d.md", i), "", strings.Repeat(fmt.Sprintf("The cat number %d sleeps. ", i), 40)})
	}
	s.ollama.Add()
	j := h.jobEnds(h.sendFiles("", nil, files))
	if ledger := charged(t, parts); ledger == 0 || string(j.Progress.Neurons) != ledger.String() || parts.Ledger.Reservations() != 0 {
		t.Errorf("told %s, charged %s: %+v", j.Progress.Neurons, ledger, j)
	}
}

func TestHostileUploadsAreRefusedWhole(t *testing.T) {
	h, _, parts := filed(t, Config{})
	ok := sentFile{"ok.md", "", "A cat."}
	for name, c := range map[string]struct {
		files  []sentFile
		fields []string
		says   string
	}{
		"no file":           {nil, nil, "at least one"},
		"out of the folder": {[]sentFile{ok, {"../../etc/passwd", "", "x"}}, nil, "etc/passwd"},
		"absolute":          {[]sentFile{{"/etc/passwd", "", "x"}}, nil, "element that is empty"},
		"a dot":             {[]sentFile{{"a/./b", "", "x"}}, nil, `"."`},
		"no name":           {[]sentFile{{"", "", "x"}}, nil, "1 to 1024"},
		"a long name":       {[]sentFile{{strings.Repeat("n", 1025), "", "x"}}, nil, "1025"},
		"not UTF-8":         {[]sentFile{{"a\xff", "", "x"}}, nil, "UTF-8"},
		"twice":             {[]sentFile{ok, ok}, nil, "twice"},
		"an unknown field":  {[]sentFile{ok}, []string{"colour=red"}, "colour"},
		"a size":            {[]sentFile{ok}, []string{"size=big"}, "size"},
		"a small size":      {[]sentFile{ok}, []string{"size=1"}, "tokens"},
		"metadata":          {[]sentFile{ok}, []string{"metadata=[1]"}, "JSON object"},
		"much metadata":     {[]sentFile{ok}, []string{`metadata={"a":"` + strings.Repeat("x", 2048) + `"}`}, "2048"},
		"a long namespace":  {[]sentFile{ok}, []string{"namespace=" + strings.Repeat("n", 65)}, "65 bytes"},
		"too many":          {append(make([]sentFile, 0), many(1001)...), nil, "1000 files"},
	} {
		t.Run(name, func(t *testing.T) {
			a := h.sendFiles("", c.fields, c.files)
			if a.status != 400 || !strings.Contains(a.body, strings.ReplaceAll(c.says, `"`, `\"`)) {
				t.Errorf("got %d: %.300s", a.status, a.body)
			}
		})
	}
	h.do("POST", filesPath, strings.NewReader("A cat.")).want(t, 400, 10400, "?path=")
	h.do("POST", filesPath+"?path="+url.QueryEscape("../x"), strings.NewReader("A cat.")).want(t, 400, 10400, "..")
	h.do("POST", filesPath+"?path=a%01b", strings.NewReader("A cat.")).want(t, 400, 10400, "control")
	h.do("POST", filesPath, strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n\r\nhalf"), "Content-Type: multipart/form-data; boundary=x").want(t, 400, 10400, "the form ends")
	h.do("POST", filesPath, strings.NewReader("no form"), "Content-Type: multipart/form-data; boundary=x").want(t, 400, 10400, "at least one")
	h.do("POST", home+"/nearside/indexes/none/files?path=a", strings.NewReader("x")).want(t, 404, 3000)
	h.post(v2, `{"name":"plain","config":{"dimensions":3,"metric":"cosine"}}`)
	h.do("POST", home+"/nearside/indexes/plain/files?path=a", strings.NewReader("x")).want(t, 400, 10400, "vectors only")
	big := &nulls{left: 65 << 20} // more than the spool of the tests has room for
	h.do("POST", filesPath+"?path=big", big).want(t, 429, 971, "at most")
	h.do("GET", jobsPath, nil).want(t, 200, 0, `"result":[]`)
	if names := spooled(t, parts); names != 0 {
		t.Errorf("%d bytes are left in the spool", names)
	}
}

// many are files.
func many(n int) []sentFile {
	list := make([]sentFile, n)
	for i := range list {
		list[i] = sentFile{fmt.Sprintf("%d.txt", i), "", "x"}
	}
	return list
}

// nulls are so many bytes.
type nulls struct{ left int }

// Read implements io.Reader.
func (z *nulls) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left)
	clear(p[:n])
	z.left -= n
	return n, nil
}

// spooled is how many bytes the spool holds.
func spooled(t *testing.T, parts Parts) int64 {
	t.Helper()
	return parts.Files.Waiting()
}

func TestFilesThatCannotBeLoadedSayWhyAndTheOthersAreLoaded(t *testing.T) {
	h, _, parts := filed(t, Config{})
	locked, err := os.ReadFile("../doc/parse/pdf/testdata/locked.pdf")
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{
		"empty.md": "", "noise.bin": "\x00\x01\x02\xfe\xff\x00\x00\x07\x80\x81", "locked.pdf": string(locked), "cut.docx": "PK\x03\x04half",
		"bomb.zip": zipped(t, "zeros.txt", &nulls{left: 80 << 20}), "bomb.docx": zipped(t, "word/document.xml", &nulls{left: 80 << 20}),
	}
	files := []sentFile{{"birds.zip", "", zipped(t, "owl.md", strings.NewReader("An owl hunts."))}, {"fine.md", "", "A cat sleeps."}, {"lying.pdf", "application/pdf", "<html><body><p>A dog barks at the moon.</p></body></html>"}}
	for name, content := range bad {
		files = append(files, sentFile{name, "", content})
	}
	j := h.jobEnds(h.sendFiles("", nil, files))
	if j.State != "done" || j.Progress.Documents+j.Progress.Failed != int64(len(files)) || j.Progress.Documents != 3 {
		t.Errorf("the job is %+v", j)
	}
	reasons := map[string]string{}
	for _, f := range j.Failures {
		reasons[strings.SplitN(f.Path, "!", 2)[0]] = f.Reason
	}
	for _, f := range resultOf[[]fileObject](t, h.do("GET", filesPath, nil)) {
		t.Logf("%s: %s %s", f.Path, f.State, f.Reason)
		_, wrong := bad[f.Path]
		if wrong != (f.State == "failed") || wrong != (f.Reason != "") || wrong != (reasons[f.Path] != "") {
			t.Errorf("%+v, the job says %q", f, reasons[f.Path])
		}
	}
	if all := h.matches("cat"); !strings.Contains(all, "sleeps") || !strings.Contains(all, "moon") || !strings.Contains(all, "owl") {
		t.Errorf("there is %q", all)
	}
	until(t, "the spool to be empty", func() bool { return spooled(t, parts) == 0 })
}

// zipped is an archive of one file.
func zipped(t *testing.T, name string, content io.Reader) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(name)
	if err == nil {
		_, err = io.Copy(f, content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestKeysSeeTheirOwnFilesAndJobs(t *testing.T) {
	h, _, _ := filed(t, Config{})
	bearer := func(k catalog.Key) string {
		k.Account = "local"
		return "Authorization: Bearer " + h.keys.add(t, k)
	}
	admin := bearer(catalog.Key{Permission: catalog.Admin})
	reader := bearer(catalog.Key{Permission: catalog.Read})
	other := bearer(catalog.Key{Permission: catalog.Write, Limits: catalog.Limits{Indexes: []string{"other"}}})
	ann := bearer(catalog.Key{Permission: catalog.Write, Limits: catalog.Limits{Namespaces: []string{"ann"}}})
	bob := bearer(catalog.Key{Permission: catalog.Write, Limits: catalog.Limits{Namespaces: []string{"bob"}}})
	filtered := bearer(catalog.Key{Permission: catalog.Write, Limits: catalog.Limits{Filter: []byte(`{"team":"x"}`)}})

	files := []sentFile{{"secret.md", "", "The plan of Ann."}}
	h.sendFiles("", nil, files, reader).want(t, 403, 10000)
	h.sendFiles("", nil, files, other).want(t, 403, 10000)
	h.sendFiles("", nil, files, ann).want(t, 403, 10000, "namespace")
	h.sendFiles("?namespace=bob", nil, files, ann).want(t, 403, 10000)
	h.sendFiles("", nil, files, filtered).want(t, 403, 10000, "filter")
	j := h.jobEnds(h.sendFiles("?namespace=ann", nil, files, ann), ann)
	if j.State != "done" || j.Progress.Documents != 1 {
		t.Errorf("%+v", j)
	}
	bobs := h.jobEnds(h.sendFiles("", []string{"namespace=bob"}, []sentFile{{"secret.md", "", "The plan of Bob."}}, bob), bob)

	one := fmt.Sprintf("%s/%d", jobsPath, j.ID)
	h.do("GET", one, nil, bob).want(t, 404, 10404)
	h.do("POST", one+"/cancel", nil, bob).want(t, 404, 10404)
	h.do("POST", one+"/cancel", nil, reader).want(t, 403, 10000)
	h.do("GET", one, nil, other).want(t, 404, 10404)
	h.do("GET", one, nil, reader).want(t, 200, 0)
	if list := resultOf[[]jobObject](t, h.do("GET", jobsPath, nil, bob)); len(list) != 1 || list[0].ID != bobs.ID {
		t.Errorf("bob sees %+v", list)
	}
	if n := len(resultOf[[]jobObject](t, h.do("GET", jobsPath, nil, admin))); n != 2 {
		t.Errorf("the admin sees %d jobs", n)
	}
	h.do("GET", jobsPath, nil, other).want(t, 200, 0, `"result":[]`)
	h.do("GET", filesPath+"?namespace=ann", nil, bob).want(t, 403, 10000)
	h.do("GET", filesPath, nil, bob).want(t, 403, 10000)
	h.do("DELETE", filesPath+"?path=secret.md&namespace=ann", nil, bob).want(t, 403, 10000)
	h.do("DELETE", filesPath+"?path=secret.md&namespace=bob", nil, bob).want(t, 200, 0)
	found := h.do("POST", home+"/nearside/indexes/notes/search", strings.NewReader(`{"query":"plan","topK":20}`), "Content-Type: application/json", admin)
	found.want(t, 200, 0, "plan of Ann")
	if strings.Contains(found.body, "plan of Bob") {
		t.Error("what was removed is there")
	}
}

func TestAJobWaitsWhileTheAllowanceIsUsedUp(t *testing.T) {
	h, _, parts := filed(t, Config{})
	admin := "Authorization: Bearer " + h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Admin})
	poor := "Authorization: Bearer " + h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Write, NeuronsPerDay: 1})
	file := []sentFile{{"long.md", "", strings.Repeat("The cat sleeps on the mat, and the dog barks at it. ", 400)}} // 930 tokens are a neuron
	j := h.accepted(h.sendFiles("", nil, file, poor))
	one := fmt.Sprintf("%s/%d", jobsPath, j.ID)
	until(t, "the job to wait", func() bool {
		j = resultOf[jobObject](t, h.do("GET", one, nil, poor))
		return j.State == "queued" && j.Reason != ""
	})
	if j.Due == "" || !strings.Contains(j.Reason, "neurons") || parts.Ledger.Reservations() != 0 || charged(t, parts) > 2*neuron.Micro(1e6) {
		t.Errorf("%+v, charged %s", j, charged(t, parts))
	}
	h.do("DELETE", filesPath+"?path=long.md", nil, admin).want(t, 409, 10409, fmt.Sprint("job ", j.ID))
	h.jobEnds(h.sendFiles("", nil, []sentFile{{"other.md", "", "A cat."}}, admin), admin) // another's job goes on
	h.do("POST", one+"/cancel", nil, poor).want(t, 200, 0, `"state":"cancelled"`)
	h.do("POST", one+"/cancel", nil, poor).want(t, 200, 0, `"state":"cancelled"`)
	if n := spooled(t, parts); n != 0 {
		t.Errorf("%d bytes are left in the spool", n)
	}
}

func TestAJobWaitsForAModelThatIsAwayAndEndsWithItsIndex(t *testing.T) {
	h, s, parts := filed(t, Config{})
	s.ollama.Down()
	j := h.accepted(h.sendFiles("", nil, []sentFile{{"a.md", "", "A cat."}}))
	one := fmt.Sprintf("%s/%d", jobsPath, j.ID)
	until(t, "the job to wait", func() bool {
		j = resultOf[jobObject](t, h.do("GET", one, nil))
		return j.State == "queued" && j.Reason != ""
	})
	h.do("DELETE", v2+"/notes", nil).want(t, 200, 0)
	h.do("GET", one, nil).want(t, 200, 0, `"state":"cancelled"`)
	if n := spooled(t, parts); n != 0 {
		t.Errorf("%d bytes are left in the spool", n)
	}
}
