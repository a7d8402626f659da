// Package tinymodel makes models for tests: files that a real Ollama loads in
// milliseconds and runs on one core, less than a megabyte each. Nothing in them
// was trained, so what they answer is known beforehand.
//
// Talker makes a model of the llama architecture that always says the same;
// Encoder one of the bert architecture, whose vectors are near for texts that
// share words. Both return a file in the format GGUF, version 3, and the same
// bytes for the same arguments. How a file is written stands in gguf.go.
//
// The package is for tests only; nearside itself makes no models.
package tinymodel

// Template is the prompt template that a Talker is created with. Its last token
// decides what the model says: a call if tools were offered and none has answered.
const Template = `{{- $answered := false }}{{ range .Messages }}{{ if eq .Role "tool" }}{{ $answered = true }}{{ end }}{{ .Content }}{{ end -}}
{{ if and .Tools (not $answered) }}` + callToken + `{{ else }}` + sayToken + `{{ end }}`

// Parameters are what a model is created with: one thread, because the threads
// of a busy machine wait for each other longer than a model of this size computes.
func Parameters() map[string]any { return map[string]any{"num_thread": 1} }
