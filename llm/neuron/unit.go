package neuron

import (
	"slices"
	"strings"
)

// Unit is what a price counts, in the words of Cloudflare's price list. A
// prefix says how many make one: "M_" a million, "k_" a thousand.
type Unit string

// The units of Cloudflare's price list.
const (
	InputTokens       Unit = "M_input_tokens"
	CachedInputTokens Unit = "M_cached_input_tokens" // of the input, those that the backend had seen before
	OutputTokens      Unit = "M_output_tokens"

	Images     Unit = "M_images"           // read
	Characters Unit = "k_input_characters" // of the text to be spoken

	AudioMinutes       Unit = "audio_minute"
	StreamAudioMinutes Unit = "audio_minute_websocket"

	Tiles           Unit = "512x512_tile" // of the picture made
	Steps           Unit = "step"         // for each tile
	InputTiles      Unit = "input_512x512_tile"
	OutputTiles     Unit = "output_512x512_tile"
	InputTileSteps  Unit = "input_512x512_tile_step"
	OutputTileSteps Unit = "output_512x512_tile_step"

	FirstMegapixel  Unit = "first_output_MP"
	MoreMegapixels  Unit = "subsequent_output_MP"
	InputMegapixels Unit = "input_image_MP"
)

var units = []Unit{
	InputTokens, CachedInputTokens, OutputTokens, Images, Characters, AudioMinutes, StreamAudioMinutes, Tiles, Steps,
	InputTiles, OutputTiles, InputTileSteps, OutputTileSteps, FirstMegapixel, MoreMegapixels, InputMegapixels,
}

// Valid reports whether u is a unit of the price list.
func (u Unit) Valid() bool { return slices.Contains(units, u) }

// size is how many of the things counted make one unit.
func (u Unit) size() int64 {
	switch {
	case strings.HasPrefix(string(u), "M_"):
		return 1_000_000
	case strings.HasPrefix(string(u), "k_"):
		return 1_000
	case strings.HasPrefix(string(u), "audio_minute"):
		return 60_000
	default:
		return 1
	}
}

// Counted names the things that u counts: input_tokens for M_input_tokens,
// audio_milliseconds for audio_minute.
func (u Unit) Counted() string {
	name := strings.TrimPrefix(strings.TrimPrefix(string(u), "M_"), "k_")
	return strings.Replace(name, "audio_minute", "audio_milliseconds", 1)
}

// Usage says how many of the things that a unit counts a call used: tokens for
// M_input_tokens, not millions of them, and milliseconds for audio_minute.
type Usage map[Unit]int64

// Tokens is the usage of a call for text. The prompt includes what is cached of it.
func Tokens(prompt, cached, completion int) Usage {
	u := Usage{}
	for unit, n := range map[Unit]int{InputTokens: prompt - cached, CachedInputTokens: cached, OutputTokens: completion} {
		if n > 0 {
			u[unit] = int64(n)
		}
	}
	return u
}

// Size is how large a picture is, in pixels.
type Size struct{ Width, Height int }

// tiles is how many squares of 512 pixels cover the picture.
func (s Size) tiles() int64 { return squares(s.Width, 512) * squares(s.Height, 512) }

// megapixels counts 1024 × 1024 pixels as one, and every part of that as one more.
func (s Size) megapixels() int64 {
	const one = 1024 * 1024
	return max(1, (int64(s.Width)*int64(s.Height)+one-1)/one)
}

func squares(length, side int) int64 { return int64(max(1, (length+side-1)/side)) }

// Picture is the usage of a call that makes a picture in some steps from others:
// of the ways to count it those that the tariff has a price for, or tiles and
// steps if it has none.
func (t Tariff) Picture(made Size, steps int, from ...Size) Usage {
	n := int64(max(1, steps))
	counts := Usage{
		Tiles: made.tiles(), Steps: made.tiles() * n,
		OutputTiles: made.tiles(), OutputTileSteps: made.tiles() * n,
		FirstMegapixel: 1, MoreMegapixels: made.megapixels() - 1,
	}
	for _, s := range from {
		counts[InputTiles] += s.tiles()
		counts[InputTileSteps] += s.tiles() * n
		counts[InputMegapixels] += s.megapixels()
	}
	used := Usage{}
	for unit, count := range counts {
		priced := t.rates[unit] != nil || !t.Priced() && (unit == Tiles || unit == Steps)
		if priced && count > 0 {
			used[unit] = count
		}
	}
	return used
}
