// What is written for the bindings of a Worker takes the objects of the package, and
// what comes of these has types of its own.
import { Ai as NearAi, Vectorize as NearVectorize, bindings, InferenceUpstreamError, type Match } from "nearside";

interface Env {
  AI: Ai;
  VECTORIZE: Vectorize;
}

const env: Env = { AI: new NearAi(), VECTORIZE: new NearVectorize("docs", { url: "http://127.0.0.1:8810", key: "k" }) };
const worker: Env = bindings<Env>({ project: "." });

// A function written for a Worker.
export async function search({ AI, VECTORIZE }: Env, text: string): Promise<string[]> {
  const { data } = (await AI.run("@cf/baai/bge-base-en-v1.5", { text: [text] })) as { data: number[][] };
  const found: VectorizeMatches = await VECTORIZE.query(data[0]!, { topK: 3, filter: { year: { $gte: 1944 } } });
  return found.matches.map(({ id }) => id);
}

await search(env, "a cat");
await search(worker, "a cat");

// Ours by themselves.
const ai = new NearAi({ account: "shop" });
const stream: ReadableStream<Uint8Array> = await ai.run("@cf/any/model", { prompt: "hello", stream: true });
const raw: Response = await ai.run("@cf/any/model", { prompt: "hello" }, { returnRawResponse: true });
const { response } = await ai.run<{ response: string }>("@cf/any/model", { prompt: "hello" }, { signal: AbortSignal.timeout(1000) });
const found: Match[] = (await new NearVectorize("docs").query(new Float32Array(3))).matches;
const values: number[] = (await new NearVectorize("docs").getByIds(["a"])).flatMap((vector) => vector.values);
export const all = [stream, raw.status, response.length, found.length, values.length, ai.lastRequestId, new InferenceUpstreamError("x").name];

// @ts-expect-error an index has a name
new NearVectorize();
// @ts-expect-error topK is a number
await new NearVectorize("docs").query([1], { topK: "3" });
// @ts-expect-error a vector is no string
await env.VECTORIZE.query("docs");
