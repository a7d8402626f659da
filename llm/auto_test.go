package llm_test

import (
	"slices"
	"testing"

	"nearside/llm"
)

// picking is a catalogue with models of all sorts and the given rules.
func picking(t *testing.T, rules ...string) *llm.Catalogue {
	t.Helper()
	backends := `backends: [{kind: ollama, model: m}]`
	priced := func(usd, neurons string) string {
		return `prices: [{unit: M_input_tokens, usd: "` + usd + `", neurons: "` + neurons + `"}, {unit: M_output_tokens, usd: "` + usd + `", neurons: "` + neurons + `"}]`
	}
	source := chats(
		`{id: auto, task: Text Generation, auto: true}`,
		`{id: dear, task: Text Generation, context: 1000, can: [tools, vision], `+priced("1.1", "100000")+`, `+backends+`}`,
		`{id: cheap, task: Text Generation, context: 100, can: [tools], `+priced("0.011", "1000")+`, `+backends+`}`,
		`{id: old, task: Text Generation, deprecated: "2025", successor: cheap, `+backends+`}`,
		`{id: guard, task: Text Generation, input: guard, `+backends+`}`,
		`{id: nick, alias: dear}`,
	)
	return load(t, append(source, listed("auto:\n", rules)...))
}

func TestRulesPickByTaskLengthPriceAndNeeds(t *testing.T) {
	const everything = `{name: all}`
	tests := map[string]struct {
		rules []string
		ask   llm.Ask
		want  []string
	}{
		"whatever there is, old ones last": {[]string{everything}, llm.Ask{}, []string{"dear", "cheap", "old"}},
		"the cheapest, old ones last":      {[]string{`{name: r, prefer: price}`}, llm.Ask{Input: 10, Output: 10}, []string{"cheap", "dear", "old"}},
		"the order given":                  {[]string{`{name: r, models: [old, dear, cheap]}`}, llm.Ask{}, []string{"old", "dear", "cheap"}},
		"the cheapest of those given":      {[]string{`{name: r, models: [dear, cheap], prefer: price}`}, llm.Ask{Input: 1}, []string{"cheap", "dear"}},
		"an alias":                         {[]string{`{name: r, models: [nick]}`}, llm.Ask{}, []string{"dear"}},
		"one rule after the other":         {[]string{`{name: r, models: [cheap]}`, everything}, llm.Ask{}, []string{"cheap", "dear", "old"}},
		"what calls functions":             {[]string{everything}, llm.Ask{Needs: []llm.Ability{llm.Tools}}, []string{"dear", "cheap"}},
		"what sees":                        {[]string{everything}, llm.Ask{Needs: []llm.Ability{llm.Tools, llm.Vision}}, []string{"dear"}},
		"what can hold it":                 {[]string{everything}, llm.Ask{Input: 90, Output: 11}, []string{"dear", "old"}},
		"what just holds it":               {[]string{everything}, llm.Ask{Input: 90, Output: 10}, []string{"dear", "cheap", "old"}},
		"too long for all":                 {[]string{`{name: r, models: [dear]}`}, llm.Ask{Input: 1001}, nil},
		"within the price":                 {[]string{`{name: r, max_neurons: 0.02}`}, llm.Ask{Input: 10, Output: 10}, []string{"cheap", "old"}},
		"above the price":                  {[]string{`{name: r, max_neurons: 0.019999}`}, llm.Ask{Input: 10, Output: 10}, []string{"old"}},
		"short enough":                     {[]string{`{name: r, max_input_tokens: 10, models: [cheap]}`, everything}, llm.Ask{Input: 10}, []string{"cheap", "dear", "old"}},
		"too long for the rule":            {[]string{`{name: r, max_input_tokens: 10, models: [cheap]}`, everything}, llm.Ask{Input: 11}, []string{"dear", "cheap", "old"}},
		"too short for the rule":           {[]string{`{name: r, min_input_tokens: 11, models: [cheap]}`, everything}, llm.Ask{Input: 10}, []string{"dear", "cheap", "old"}},
		"a rule for the task":              {[]string{`{name: r, task: Summarization, models: [old]}`, everything}, llm.Ask{Task: llm.Summarization}, []string{"old", "dear", "cheap"}},
		"a rule for another task":          {[]string{`{name: r, task: Summarization, models: [old]}`, everything}, llm.Ask{Task: llm.TextGeneration}, []string{"dear", "cheap", "old"}},
		"no rule":                          {[]string{`{name: r, task: Summarization}`}, llm.Ask{Task: llm.TextGeneration}, nil},
	}
	for name, test := range tests {
		var got []string
		for _, choice := range picking(t, test.rules...).Choices(test.ask) {
			got = append(got, choice.Model.ID)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestAChoiceSaysItsRuleAndWhatItWouldCost(t *testing.T) {
	choices := picking(t, `{name: near, models: [cheap]}`, `{name: far}`).Choices(llm.Ask{Input: 500, Output: 0})
	if len(choices) != 2 || choices[0].Rule != "far" || choices[0].Cost != 50*1e6 {
		t.Errorf("%+v", choices)
	}
	choices = picking(t, `{name: near, models: [cheap]}`, `{name: far}`).Choices(llm.Ask{Input: 50, Output: 50})
	if len(choices) != 3 || choices[0].Rule != "near" || choices[0].Cost != 100_000 || choices[1].Rule != "far" {
		t.Errorf("%+v", choices)
	}
}

func TestTheShippedRulesHaveAModelForEveryCall(t *testing.T) {
	c := shipped(t)
	for _, ask := range []llm.Ask{
		{Task: llm.TextGeneration}, {Task: llm.Summarization, Input: 3000}, {Task: llm.TextGeneration, Needs: []llm.Ability{llm.Tools}},
		{Task: llm.TextGeneration, Input: 1500, Needs: []llm.Ability{llm.Vision}}, {Task: llm.Translation, Input: 900_000},
	} {
		if choices := c.Choices(ask); len(choices) == 0 || choices[0].Model.Deprecated != "" {
			t.Errorf("%+v: %+v", ask, choices)
		}
	}
}
