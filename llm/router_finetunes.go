package llm

import (
	"context"

	"nearside/fault"
)

// ReasonLoRA is a call that wants a fine-tune which is not run.
const ReasonLoRA fault.Reason = "model_lora"

// Finetunes knows the fine-tunes that are stored.
type Finetunes interface {
	// Base returns the model that a fine-tune, of the account or a public one, was
	// made for; the error says that there is none, or that it is not whole.
	Base(ctx context.Context, account, idOrName string) (model string, err error)
}

// refuseFinetune is why a call with a fine-tune is not answered: the first thing
// that would have to change for it to be, and in the end that no backend runs any.
func (r *Router) refuseFinetune(ctx context.Context, account string, m *Model, idOrName string) error {
	if !m.Can(LoRA) {
		return fault.For(ReasonLoRA, "%s takes no fine-tunes; leave lora out. GET ai/models/search shows which models do: those with the property lora", m.ID)
	}
	if r.finetunes != nil {
		base, err := r.finetunes.Base(ctx, account, idOrName)
		if err != nil {
			return err
		}
		if base != m.ID {
			return fault.For(ReasonLoRA, "the fine-tune was made for %s and cannot be used with %s", base, m.ID)
		}
	}
	return fault.For(ReasonLoRA, "the fine-tune is stored, but no backend of nearside runs adapters. Leave lora out, or merge the adapter into a model of Ollama's or of another server, and name that one in models.yaml")
}
