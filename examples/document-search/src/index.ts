/**
 * Document search. A text goes in, is cut into passages, and each passage is found by what it means.
 *
 *   PUT    /documents/:id?collection=…   the body is the text; takes the place of what was there
 *   GET    /documents/:id                which version of it can be found now
 *   DELETE /documents/:id
 *   GET    /search?q=…&k=5&collection=…  the nearest passages, best first
 *
 * The idea: Vectorize applies what is written some seconds later, but in the order in which it came.
 * So a write must not depend on a read. The ids of passages are known without looking, tides#0,
 * tides#1, …, and replacing a document is one upsert of those that it has now and a delete of all
 * that it could have had beyond them. That is right however often and fast a document is written.
 */
import { passagesOf } from "./passages";

interface Env {
  AI: Ai;
  VECTORIZE: Vectorize;
}

const MODEL = "@cf/baai/bge-base-en-v1.5";
const TEXTS_PER_CALL = 100; // the most that Workers AI embeds at once
const IDS_PER_CALL = 100; // the most that Vectorize deletes at once
const MOST_PASSAGES = 200; // of a document; two calls of each kind
const MOST_CHARACTERS = 100_000; // of a document
const NAME = /^[\w.-]{1,48}$/; // with "#199" behind it still an id: Vectorize takes 64 bytes

const DOCUMENT = new URLPattern({ pathname: "/documents/:id" });

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
      return Response.json({ error: "The search does not answer; try again later." }, { status: 503 });
    }
  },
} satisfies ExportedHandler<Env>;

async function route(request: Request, env: Env): Promise<Response> {
  const url = new URL(request.url);
  if (url.pathname === "/search" && request.method === "GET") return search(url.searchParams, env);

  const id = DOCUMENT.exec(request.url)?.pathname.groups.id;
  if (id === undefined) throw new Refusal(404, "There are /search and /documents/:id here.");
  if (!NAME.test(id)) throw new Refusal(400, "An id has 1 to 48 letters, digits, dots, hyphens and underscores.");
  switch (request.method) {
    case "PUT":
      return put(id, await textOf(request), collectionOf(url.searchParams), env);
    case "GET":
      return show(id, env);
    case "DELETE":
      await forget(id, 0, env);
      return Response.json({ id }, { status: 202 });
  }
  throw new Refusal(405, `A document takes PUT, GET and DELETE, not ${request.method}.`);
}

/** The answer is 202, accepted: the document can be found once GET /documents/:id has this version. */
async function put(id: string, text: string, collection: string, env: Env): Promise<Response> {
  const texts = passagesOf(text);
  if (texts.length === 0) throw new Refusal(400, "The body is empty; it must be the text.");
  if (texts.length > MOST_PASSAGES) throw new Refusal(413, `The text has ${texts.length} passages; ${MOST_PASSAGES} are the most.`);

  const version = await fingerprint(text);
  const vectors = await embed(texts, env);
  await env.VECTORIZE.upsert(
    texts.map((text, n) => ({
      id: `${id}#${n}`,
      values: vectors[n]!,
      metadata: { document: id, passage: n, passages: texts.length, version, collection, text },
    })),
  );
  await forget(id, texts.length, env);
  return Response.json({ id, version, passages: texts.length }, { status: 202 });
}

/**
 * Comparing versions tells whether a write can be found yet. describe().processedUpToMutation does
 * not: it names the latest mutation only, and somebody else's may be the next.
 */
async function show(id: string, env: Env): Promise<Response> {
  const [first] = await env.VECTORIZE.getByIds([`${id}#0`]);
  if (!first?.metadata) throw new Refusal(404, `There is no document ${id}, or not yet.`);
  const { version, passages, collection } = first.metadata;
  return Response.json({ id, version, passages, collection });
}

/** Deletes every passage that a document may have from a number on. Ids that are not there do no harm. */
async function forget(id: string, from: number, env: Env): Promise<void> {
  const ids = Array.from({ length: MOST_PASSAGES - from }, (_, n) => `${id}#${from + n}`);
  for (const some of batches(ids, IDS_PER_CALL)) await env.VECTORIZE.deleteByIds(some);
}

async function search(query: URLSearchParams, env: Env): Promise<Response> {
  const q = query.get("q")?.trim() ?? "";
  if (q === "" || q.length > 1000) throw new Refusal(400, "q must be a question of 1 to 1000 characters.");
  const k = Number(query.get("k") ?? 5);
  if (!Number.isInteger(k) || k < 1 || k > 50) throw new Refusal(400, "k must be a number from 1 to 50."); // 50: see topK with all metadata

  const [vector] = await embed([q], env);
  const { matches } = await env.VECTORIZE.query(vector!, {
    topK: k,
    returnMetadata: "all",
    // The index has a metadata index for collection, made before the first document: one that is made later does not see what is there.
    ...(query.has("collection") && { filter: { collection: collectionOf(query) } }),
  });
  const passages = matches.map(({ score, metadata }) => ({
    document: metadata?.document,
    passage: metadata?.passage,
    score,
    text: metadata?.text,
  }));
  return Response.json({ q, passages });
}

/** Returns a vector for each text. */
async function embed(texts: string[], env: Env): Promise<number[][]> {
  const answers = await Promise.all(batches(texts, TEXTS_PER_CALL).map((text) => env.AI.run(MODEL, { text })));
  const vectors = answers.flatMap((answer) => ("data" in answer && answer.data) || []);
  if (vectors.length !== texts.length) throw new Error(`${vectors.length} vectors came for ${texts.length} texts`);
  return vectors;
}

async function textOf(request: Request): Promise<string> {
  const tooLong = new Refusal(413, `A text has at most ${MOST_CHARACTERS} characters.`);
  if (Number(request.headers.get("content-length")) > 4 * MOST_CHARACTERS) throw tooLong; // before it is read
  const text = await request.text();
  if (text.length > MOST_CHARACTERS) throw tooLong;
  return text;
}

function collectionOf(query: URLSearchParams): string {
  const collection = query.get("collection") ?? "general";
  if (!NAME.test(collection)) throw new Refusal(400, "A collection has a name like an id.");
  return collection;
}

async function fingerprint(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest, 0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function batches<T>(all: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, n) => all.slice(n * size, (n + 1) * size));
}
