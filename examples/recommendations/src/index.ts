/**
 * Recommendations, by one item and by a person's taste.
 *
 *   PUT  /items        [{"id", "title", "category", "text"}, …]   at most 100 at once
 *   GET  /similar/:id?k=5&category=…
 *   POST /for-you      {"liked": [id, …], "disliked": […], "seen": […], "k": 5}
 *
 * The idea: no model is asked when somebody wants a recommendation. The vectors of the items are in
 * the index already; a person's taste is a sum of them, made anew for every request and stored nowhere.
 * And what was seen is left out by the filter of the query, not afterwards: the items that somebody
 * liked are the nearest to his taste, and would otherwise take up the places of what he does not know.
 */
import { diverse, profileOf } from "./profile";

interface Env {
  AI: Ai;
  VECTORIZE: Vectorize;
}

const MODEL = "@cf/baai/bge-small-en-v1.5"; // 384 dimensions: half of what bge-base costs in Vectorize
const MOST_ITEMS = 100; // what bge embeds in one call
const IDS_PER_CALL = 20; // the most that getByIds returns
const MOST_KNOWN = 50; // liked, disliked and seen: with ids of 32 characters, a filter that stays below 2048 bytes
const CANDIDATES = 50; // the largest topK with metadata
const ID = /^[\w.-]{1,32}$/;

const SIMILAR = new URLPattern({ pathname: "/similar/:id" });

interface Item {
  id: string;
  title: string;
  category: string;
  text: string;
}

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
      return Response.json({ error: "There are no recommendations now; try again later." }, { status: 503 });
    }
  },
} satisfies ExportedHandler<Env>;

async function route(request: Request, env: Env): Promise<Response> {
  const url = new URL(request.url);
  const id = SIMILAR.exec(request.url)?.pathname.groups.id;
  if (id !== undefined && request.method === "GET") return similar(id, url.searchParams, env);
  switch (`${request.method} ${url.pathname}`) {
    case "PUT /items":
      return put(await jsonOf(request), env);
    case "POST /for-you":
      return forYou(await jsonOf(request), env);
  }
  throw new Refusal(404, "There are PUT /items, GET /similar/:id and POST /for-you here.");
}

/** 202: Vectorize finds them some seconds later. The metadata indexes of id and category must be there before: they do not see older vectors. */
async function put(body: unknown, env: Env): Promise<Response> {
  if (!Array.isArray(body) || body.length < 1 || body.length > MOST_ITEMS || !body.every(isItem)) {
    throw new Refusal(400, `The body must be a list of 1 to ${MOST_ITEMS} items: {"id", "title", "category", "text"}; ids and categories of at most 32 letters, digits, dots, hyphens and underscores.`);
  }
  const answer = await env.AI.run(MODEL, { text: body.map(({ title, text }) => `${title}\n${text}`) });
  const vectors = "data" in answer ? answer.data : undefined;
  if (vectors?.length !== body.length) throw new Error("there is not a vector for each item");
  await env.VECTORIZE.upsert(body.map(({ id, title, category }, n) => ({ id, values: vectors[n]!, metadata: { id, title, category } })));
  return Response.json({ items: body.length }, { status: 202 });
}

async function similar(id: string, query: URLSearchParams, env: Env): Promise<Response> {
  if (!ID.test(id)) throw new Refusal(400, "This is no id.");
  const k = countOf(query.get("k") ?? 5);
  const category = query.get("category");
  if (category !== null && !ID.test(category)) throw new Refusal(400, "This is no category.");
  const { matches } = await env.VECTORIZE.queryById(id, {
    topK: k,
    returnMetadata: "all",
    filter: { id: { $ne: id }, ...(category !== null && { category }) }, // without $ne the item itself would be the first
  });
  if (matches.length === 0 && (await env.VECTORIZE.getByIds([id])).length === 0) throw new Refusal(404, `There is no item ${id}, or not yet.`);
  return Response.json({ id, items: matches.map(shown) });
}

async function forYou(body: unknown, env: Env): Promise<Response> {
  const { liked, disliked, seen, k } = (body ?? {}) as Record<string, unknown>;
  const likes = idsOf("liked", liked);
  const dislikes = idsOf("disliked", disliked);
  const known = new Set([...likes, ...dislikes, ...idsOf("seen", seen)]);
  if (likes.length === 0) throw new Refusal(400, "liked must have at least one id: a taste begins with something.");
  if (known.size > MOST_KNOWN) throw new Refusal(400, `liked, disliked and seen have ${known.size} ids; ${MOST_KNOWN} are the most, send the latest.`);
  const count = countOf(k ?? 5);

  const vectors = await vectorsOf([...new Set([...likes, ...dislikes])], env);
  const pick = (ids: string[]) => ids.flatMap((id) => (vectors.has(id) ? [vectors.get(id)!] : []));
  if (pick(likes).length === 0) throw new Refusal(404, "None of the items in liked is there, or not yet.");

  const { matches } = await env.VECTORIZE.query(profileOf(pick(likes), pick(dislikes)), {
    topK: CANDIDATES,
    returnMetadata: "all",
    filter: { id: { $nin: [...known] } },
  });
  const unknown = [...likes, ...dislikes].filter((id) => !vectors.has(id));
  return Response.json({ items: diverse(matches.map(shown), count, Math.ceil(count / 2)), unknown });
}

/** Fetches the vectors of items; those that are not there are left out. */
async function vectorsOf(ids: string[], env: Env): Promise<Map<string, number[]>> {
  const calls: Promise<VectorizeVector[]>[] = [];
  for (let i = 0; i < ids.length; i += IDS_PER_CALL) calls.push(env.VECTORIZE.getByIds(ids.slice(i, i + IDS_PER_CALL)));
  return new Map((await Promise.all(calls)).flat().map(({ id, values }) => [id, Array.from(values)]));
}

function shown({ id, score, metadata }: VectorizeMatch) {
  return { id, title: metadata?.title, category: String(metadata?.category), score };
}

function countOf(k: unknown): number {
  const count = Number(k);
  if (!Number.isInteger(count) || count < 1 || count > 20) throw new Refusal(400, "k must be a number from 1 to 20.");
  return count;
}

function idsOf(name: string, value: unknown = []): string[] {
  if (!Array.isArray(value) || !value.every((id): id is string => typeof id === "string" && ID.test(id))) {
    throw new Refusal(400, `${name} must be a list of ids.`);
  }
  return value;
}

function isItem(value: unknown): value is Item {
  const { id, title, category, text } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof id === "string" && ID.test(id) &&
    typeof category === "string" && ID.test(category) &&
    typeof title === "string" && title.length > 0 && title.length <= 200 &&
    typeof text === "string" && text.length <= 2000
  );
}

async function jsonOf(request: Request): Promise<unknown> {
  return request.json().catch(() => {
    throw new Refusal(400, "The body must be JSON.");
  });
}
