/**
 * A moderation pipeline. Texts of users come in; allow, review or block goes out, with the reasons.
 *
 *   POST   /check       {"text"}
 *   PUT    /known/:id   {"text", "label"}   people refused this one: know it again
 *   DELETE /known/:id                       that was wrong
 *
 * The idea: the stages stand in the order of what they cost, and the first that blocks ends it, so that
 * the wave of a thousand copies of one advertisement costs a thousand embeddings and no thousand calls
 * of a large model. And it fails closed: a stage that does not answer, is too slow or talks nonsense
 * counts as "review", never as "allow". Who can make the guard fail must not get past it that way.
 */
import { DECISIONS, embed, guard, knownBad, type Decision, type Env, type Finding, type Stage } from "./stages";

const STAGES: Stage[] = [knownBad, guard]; // the cheap one first
const PATIENCE_MS = 10_000; // for each stage
const MOST_CHARACTERS = 2000; // about the 512 tokens that bge reads: what stood behind them would go unseen

const KNOWN = new URLPattern({ pathname: "/known/:id" });

/** A request that cannot be served, and the status that says why. */
class Refusal extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

export default {
  async fetch(request, env) {
    try {
      return await route(request, env);
    } catch (error) {
      if (error instanceof Refusal) return Response.json({ error: error.message }, { status: error.status });
      console.error(error);
      return Response.json({ error: "The list of what is known does not answer; try again later." }, { status: 503 });
    }
  },
} satisfies ExportedHandler<Env>;

async function route(request: Request, env: Env): Promise<Response> {
  if (request.method === "POST" && new URL(request.url).pathname === "/check") {
    const { text } = await inputOf(request);
    return Response.json(await check(text, env));
  }
  const id = KNOWN.exec(request.url)?.pathname.groups.id;
  if (id === undefined) throw new Refusal(404, "There are POST /check and /known/:id here.");
  if (!/^[\w.-]{1,64}$/.test(id)) throw new Refusal(400, "An id has 1 to 64 letters, digits, dots, hyphens and underscores.");
  switch (request.method) {
    case "PUT": {
      const { text, label } = await inputOf(request);
      await env.VECTORIZE.upsert([{ id, values: await embed(text, env), metadata: { label } }]); // the text itself is not kept
      return Response.json({ id }, { status: 202 }); // Vectorize finds it some seconds later
    }
    case "DELETE":
      await env.VECTORIZE.deleteByIds([id]);
      return Response.json({ id }, { status: 202 });
  }
  throw new Refusal(405, `What is known takes PUT and DELETE, not ${request.method}.`);
}

/** Asks one stage after the other. The strictest decision holds; after a block nobody else is asked. */
async function check(text: string, env: Env): Promise<{ decision: Decision; findings: Finding[] }> {
  const findings: Finding[] = [];
  for (const stage of STAGES) {
    const finding = await looked(stage, text, env);
    findings.push(finding);
    if (finding.decision === "block") break;
  }
  const decision = DECISIONS.findLast((d) => findings.some((finding) => finding.decision === d)) ?? "review";
  return { decision, findings };
}

/** What a stage finds; "review" if it finds nothing out. */
async function looked(stage: Stage, text: string, env: Env): Promise<Finding> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const tooSlow = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason)); // for calls that do not heed it
  });
  try {
    return { stage: stage.name, ...(await Promise.race([stage.look(text, env, signal), tooSlow])) };
  } catch (error) {
    console.error(stage.name, error);
    return { stage: stage.name, decision: "review", reason: "the stage did not answer" };
  }
}

async function inputOf(request: Request): Promise<{ text: string; label: string }> {
  const body = (await request.json().catch(() => null)) as { text?: unknown; label?: unknown } | null;
  const text = body?.text;
  const label = body?.label ?? "refused";
  if (typeof text !== "string" || text.trim() === "" || typeof label !== "string" || label.length > 100) {
    throw new Refusal(400, 'The body must be {"text": "…"}, and may have a "label" of at most 100 characters.');
  }
  if (text.length > MOST_CHARACTERS) throw new Refusal(413, `A text has at most ${MOST_CHARACTERS} characters; check longer ones in parts.`);
  return { text, label };
}
