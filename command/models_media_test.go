package command_test

import (
	"os"
	"path/filepath"
	"testing"

	"nearside/llm"
	"nearside/llm/backend/backendtest"
)

// A model for pictures or sounds is tried with a tiny picture, a tenth of a second
// of silence, or a word.
func TestModelsCheckTriesPicturesAndSounds(t *testing.T) {
	source, err := os.ReadFile("../models.yaml")
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := llm.Load(source)
	if err != nil {
		t.Fatal(err)
	}
	behind := backendtest.New(t)
	behind.Answer(backendtest.Answer{Pieces: []string{`{"labels":[{"label":"square","score":1}]}`}})
	behind.Add(backendtest.Model{Name: "meta-llama/Llama-3.2-11B-Vision-Instruct"})
	for _, m := range catalogue.Models() {
		for _, b := range m.Backends {
			if b.Kind == llm.OpenAI && m.Task != llm.TextGeneration && m.Task != llm.Embeddings {
				behind.Add(backendtest.Model{Name: b.Model})
			}
		}
	}
	data := t.TempDir()
	file := `backends: [{name: ollama, enabled: false}, {name: openai, url: "` + behind.URL + `/v1"}]`
	if err := os.WriteFile(filepath.Join(data, "models.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	url := start(t, data, "--models", t.TempDir()).ready().URL
	for task, least := range map[llm.Task]int{llm.ImageToText: 3, llm.ImageClassification: 1, llm.SpeechRecognition: 5, llm.TextToSpeech: 4, llm.TextToImage: 10} {
		checked := jsonOf(t, 0, "models", "check", "--task", string(task), "--url", url)
		if len(checked) < least {
			t.Errorf("%s: only %d models were tried", task, len(checked))
		}
		for _, m := range checked {
			if !m.OK || m.Backend != "openai" {
				t.Errorf("%s: %+v", task, m)
			}
		}
	}
	for _, m := range jsonOf(t, 0, "models", "list", "--task", string(llm.ObjectDetection), "--url", url) {
		if m.Missing == "" {
			t.Errorf("%+v is listed as served", m)
		}
	}
}
