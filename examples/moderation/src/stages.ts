/** Decisions, from mild to strict. */
export const DECISIONS = ["allow", "review", "block"] as const;
export type Decision = (typeof DECISIONS)[number];

/** What a stage thinks of a text, and why, for the people who look at it later. */
export interface Finding {
  stage: string;
  decision: Decision;
  reason: string;
}

export interface Env {
  AI: Ai;
  VECTORIZE: Vectorize;
}

/** A stage looks at one text. The signal ends it when it takes too long. */
export interface Stage {
  name: string;
  look(text: string, env: Env, signal: AbortSignal): Promise<Omit<Finding, "stage">>;
}

const EMBEDDING_MODEL = "@cf/baai/bge-small-en-v1.5";
const GUARD_MODEL = "@cf/meta/llama-guard-3-8b";

/** Cosines from which on two texts are the same but for a few words, and from which on they are alike. */
const SAME = 0.92;
const ALIKE = 0.8;

/** Categories of Llama Guard that nobody needs to look at: violent crimes, sex crimes, children, weapons. All others go to people. */
const CLEAR = new Set(["S1", "S3", "S4", "S9"]);

/** Is it, nearly word for word, something that people have refused before? It costs about a twentieth of the guard. */
export const knownBad: Stage = {
  name: "known-bad",
  async look(text, env, signal) {
    const values = await embed(text, env, signal);
    const { matches } = await env.VECTORIZE.query(values, { topK: 1, returnMetadata: "all" });
    const [nearest] = matches;
    if (!nearest || nearest.score < ALIKE) return { decision: "allow", reason: "nothing that was refused is like it" };
    const like = `${nearest.id} (${String(nearest.metadata?.label)}), cosine ${nearest.score.toFixed(2)}`;
    return nearest.score >= SAME ? { decision: "block", reason: `the same as ${like}` } : { decision: "review", reason: `like ${like}` };
  },
};

/** Does a model that was made for it think that it does harm? */
export const guard: Stage = {
  name: "guard",
  async look(text, env, signal) {
    const { response } = await env.AI.run(
      GUARD_MODEL,
      { messages: [{ role: "user", content: text }], response_format: { type: "json_object" }, max_tokens: 32, temperature: 0 },
      { signal },
    );
    const verdict = verdictOf(response);
    if (!verdict) throw new Error("the guard gave no verdict");
    if (verdict.safe) return { decision: "allow", reason: "the guard finds it safe" };
    return {
      decision: verdict.categories.some((category) => CLEAR.has(category)) ? "block" : "review",
      reason: `the guard finds it unsafe: ${verdict.categories.join(", ") || "no category"}`,
    };
  },
};

/** Reads {"safe", "categories"}, which json_object asks for, or the guard's own words: "safe", or "unsafe" and in the next line "S1,S10". */
function verdictOf(response: unknown): { safe: boolean; categories: string[] } | undefined {
  if (typeof response === "string") {
    const [word, categories = ""] = response.trim().split("\n");
    if (word !== "safe" && word !== "unsafe") return undefined;
    return { safe: word === "safe", categories: categories.split(",").map((c) => c.trim()).filter(Boolean) };
  }
  const { safe, categories } = (response ?? {}) as { safe?: unknown; categories?: unknown };
  if (typeof safe !== "boolean") return undefined;
  return { safe, categories: Array.isArray(categories) ? categories.map(String) : [] };
}

export async function embed(text: string, env: Env, signal?: AbortSignal): Promise<number[]> {
  const answer = await env.AI.run(EMBEDDING_MODEL, { text: [text] }, { ...(signal && { signal }) });
  const [vector] = ("data" in answer && answer.data) || [];
  if (!vector) throw new Error("there is no vector for the text");
  return vector;
}
