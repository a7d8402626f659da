/**
 * A router before the models, with a budget.
 *
 *   POST /ask      {"question", "kind"?: "simple" | "code" | "hard", "maxTokens"?}
 *   GET  /budget
 *
 * The headers of an answer tell who gave it (x-model), what it cost (x-neurons), what is left of the
 * day (x-neurons-left), and which models were asked before and why they did not answer (x-passed-over).
 *
 * The idea: the cheapest model that is good enough goes first, the next one is its fallback, and nobody is
 * asked before the most that the call can cost is set aside. A hundred calls at once then cannot spend
 * more than there is, which a counter that is only looked at before and increased afterwards lets them do.
 */
import type { Budget, Env } from "./budget";
import { candidates, kindOf, KINDS, neurons, tokensOf, type Kind, type Model } from "./models";

export { Budget } from "./budget";

const MOST_CHARACTERS = 60_000;
const MOST_TOKENS = 2000; // of an answer
const PATIENCE_MS = 30_000; // for each model

/** Codes of Workers AI. */
const NO_SUCH_MODEL = 5007; // withdrawn since the table was written: the next one may do
const USED_UP = [3036, 4006]; // the account's own day is over: no other model will do

/** A request that cannot be served, and the status that says why. */
class Refusal extends Error {
  constructor(readonly status: number, message: string, readonly headers: Record<string, string> = {}) {
    super(message);
  }
}

export default {
  async fetch(request, env) {
    const budget = env.BUDGET.getByName("everybody");
    try {
      switch (`${request.method} ${new URL(request.url).pathname}`) {
        case "POST /ask":
          return await ask(await inputOf(request), budget, env);
        case "GET /budget":
          return Response.json({ day: today(), neuronsLeft: await budget.left(today()) });
      }
      throw new Refusal(404, "There are POST /ask and GET /budget here.");
    } catch (error) {
      if (error instanceof Refusal) return Response.json({ error: error.message }, { status: error.status, headers: error.headers });
      console.error(error);
      return Response.json({ error: "Something went wrong here." }, { status: 500 });
    }
  },
} satisfies ExportedHandler<Env>;

interface Input {
  question: string;
  kind: Kind;
  maxTokens: number;
}

/** Asks one candidate after the other until one answers. */
async function ask(input: Input, budget: DurableObjectStub<Budget>, env: Env): Promise<Response> {
  const tokensIn = tokensOf(input.question);
  const passedOver: string[] = [];
  for (const model of candidates(input.kind, tokensIn, input.maxTokens)) {
    const day = today(); // a call belongs to the day on which it begins, also when it ends after midnight
    const reserved = neurons(model, tokensIn, input.maxTokens);
    if (!(await budget.reserve(day, reserved))) throw overBudget("This would cost more than is left of today's budget.");

    // If the Worker is ended here, what is set aside counts as spent: an error in the right direction.
    const outcome = await tried(model, input, reserved, env);
    const left = await budget.settle(day, reserved, outcome.cost);
    if ("refusal" in outcome) throw outcome.refusal;
    if ("text" in outcome) {
      const headers = {
        "x-model": model.id,
        "x-neurons": outcome.cost.toFixed(6),
        "x-neurons-left": left.toFixed(6),
        ...(passedOver.length > 0 && { "x-passed-over": passedOver.join(", ") }),
      };
      return Response.json({ kind: input.kind, answer: outcome.text }, { headers });
    }
    passedOver.push(`${model.id} (${outcome.failure})`);
  }
  throw new Refusal(503, "No model answers now; try again later.", { "x-passed-over": passedOver.join(", "), "retry-after": "30" });
}

/** What came of asking a model: an answer, why the next one should be asked, or why nobody need be asked any more. */
type Outcome = { cost: number } & ({ text: string } | { failure: string } | { refusal: Refusal });

async function tried(model: Model, { question, maxTokens }: Input, reserved: number, env: Env): Promise<Outcome> {
  let reply: Response;
  try {
    const input = { messages: [{ role: "user", content: question }], max_tokens: maxTokens };
    // The raw response has the status and the price, which an error and an object do not.
    reply = await env.AI.run(model.id as keyof AiModels, input, { returnRawResponse: true, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    console.warn(model.id, error);
    return { cost: reserved, failure: "too slow, or away" }; // nobody told what it cost
  }
  const body = (await reply.json().catch(() => ({}))) as Answer;
  if (reply.ok) {
    const text = body.response ?? body.choices?.[0]?.message?.content; // each model has one of two forms
    const cost = costOf(model, reply, body, reserved);
    return text ? { cost, text } : { cost, failure: "said nothing" };
  }
  const code = body.internalCode ?? body.errors?.[0]?.code;
  if (code !== undefined && USED_UP.includes(code)) return { cost: 0, refusal: overBudget("The account's neurons of today are used up.") };
  if (reply.status === 408 || reply.status === 429 || reply.status >= 500 || code === NO_SUCH_MODEL) {
    return { cost: 0, failure: `${reply.status}${code === undefined ? "" : `, code ${code}`}` };
  }
  return { cost: 0, refusal: new Refusal(400, `${model.id} refuses this question.`) }; // and so would the others
}

/** The two forms of an answer, and the two of a failure. */
interface Answer {
  response?: string;
  choices?: { message?: { content?: string | null } }[];
  usage?: { prompt_tokens: number; completion_tokens: number };
  internalCode?: number;
  errors?: { code: number }[];
}

/** The price that the reply tells, else that of the tokens that were used. */
function costOf(model: Model, reply: Response, { usage }: Answer, reserved: number): number {
  const told = Number(reply.headers.get("cf-ai-neurons") ?? NaN);
  if (Number.isFinite(told)) return told;
  return usage ? neurons(model, usage.prompt_tokens, usage.completion_tokens) : reserved;
}

async function inputOf(request: Request): Promise<Input> {
  const body = (await request.json().catch(() => null)) as Partial<Record<keyof Input, unknown>> | null;
  const { question, maxTokens = 500 } = body ?? {};
  if (typeof question !== "string" || question.trim() === "") throw new Refusal(400, 'The body must be {"question": "…"}.');
  if (question.length > MOST_CHARACTERS) throw new Refusal(413, `A question has at most ${MOST_CHARACTERS} characters.`);
  if (typeof maxTokens !== "number" || !Number.isInteger(maxTokens) || maxTokens < 1 || maxTokens > MOST_TOKENS) {
    throw new Refusal(400, `maxTokens must be a number from 1 to ${MOST_TOKENS}.`);
  }
  const kind = KINDS.find((k) => k === (body?.kind ?? kindOf(question)));
  if (!kind) throw new Refusal(400, `kind must be one of ${KINDS.join(", ")}.`);
  return { question, kind, maxTokens };
}

function overBudget(why: string): Refusal {
  const seconds = 86_400 - (Math.floor(Date.now() / 1000) % 86_400);
  return new Refusal(429, `${why} There is a new one at 00:00 UTC.`, { "retry-after": String(seconds) });
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}
