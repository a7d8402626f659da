/** What a request is about. "hard" is what a small model gets wrong: arithmetic, plans, comparisons. */
export const KINDS = ["simple", "code", "hard"] as const;
export type Kind = (typeof KINDS)[number];

/**
 * The models that may answer, what they are good for, and their prices in neurons a million tokens
 * (developers.cloudflare.com/workers-ai/platform/pricing). The order does not matter.
 */
export const MODELS = [
  { id: "@cf/ibm-granite/granite-4.0-h-micro", context: 131_000, input: 1_542, output: 10_158, kinds: ["simple"] },
  { id: "@cf/meta/llama-3.2-3b-instruct", context: 80_000, input: 4_625, output: 30_475, kinds: ["simple"] },
  { id: "@cf/qwen/qwen3-30b-a3b-fp8", context: 32_768, input: 4_625, output: 30_475, kinds: ["code", "hard"] },
  { id: "@cf/openai/gpt-oss-20b", context: 128_000, input: 18_182, output: 27_273, kinds: ["code", "hard"] },
  { id: "@cf/meta/llama-3.3-70b-instruct-fp8-fast", context: 24_000, input: 26_668, output: 204_805, kinds: ["simple", "code", "hard"] },
] as const satisfies readonly { id: keyof AiModels; context: number; input: number; output: number; kinds: readonly Kind[] }[];
export type Model = (typeof MODELS)[number];

/** Those that are good for the kind and have room for the request, the cheapest first; each is the fallback of the one before. */
export function candidates(kind: Kind, tokensIn: number, tokensOut: number): Model[] {
  return MODELS.filter(({ kinds, context }) => (kinds as readonly Kind[]).includes(kind) && tokensIn + tokensOut <= context).sort(
    (a, b) => neurons(a, tokensIn, tokensOut) - neurons(b, tokensIn, tokensOut),
  );
}

export function neurons(model: Model, tokensIn: number, tokensOut: number): number {
  return (tokensIn * model.input + tokensOut * model.output) / 1_000_000;
}

/** Guesses the kind of a request whose sender did not say it. Rules that one can read beat a model that has to be asked first. */
export function kindOf(text: string): Kind {
  if (/```|[{};]\s*$|\b(function|def|class|SELECT|stack trace|compile[rs]?|regex)\b/m.test(text)) return "code";
  if (text.length > 1500 || /\b(prove|derive|plan|compare|step by step|trade-?offs?)\b/i.test(text)) return "hard";
  return "simple";
}

/** How many tokens a text has, guessed on the high side. By its bytes, because where letters take more of them, a token has fewer letters. */
export function tokensOf(text: string): number {
  return Math.ceil(new TextEncoder().encode(text).length / 3) + 20;
}
