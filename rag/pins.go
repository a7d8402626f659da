package rag

import (
	"context"

	"nearside/catalog"
	"nearside/embed"
)

// Pins keeps the pins of package llm in the catalogue.
type Pins struct{ Catalog *catalog.Catalog }

// Pinned returns the fingerprint that serves the model, if one is recorded.
func (p Pins) Pinned(account, model string) (embed.Fingerprint, bool) {
	pin, ok := p.Catalog.Pin(account, model)
	return embed.Fingerprint(pin.Fingerprint), ok
}

// Pin records the fingerprint unless there is one, and returns the one that holds now.
func (p Pins) Pin(ctx context.Context, account, model string, f embed.Fingerprint) (embed.Fingerprint, error) {
	pin, err := p.Catalog.PinModel(ctx, account, model, string(f))
	return embed.Fingerprint(pin.Fingerprint), err
}

// Switch records the fingerprint in place of whatever was there.
func (p Pins) Switch(ctx context.Context, account, model string, f embed.Fingerprint) error {
	_, err := p.Catalog.SwitchModel(ctx, account, model, string(f))
	return err
}
