// Every call of env.VECTORIZE and env.AI, as Workers write them, and what must come of it.
import assert from "node:assert/strict";
import { errors } from "./errors.js";

const chat = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";
const encoder = "@cf/baai/bge-small-en-v1.5";
const listener = "@cf/openai/whisper";
const speaker = "@cf/deepgram/aura-1";
const said = "The sky is blue.";
const messages = [{ role: "user", content: "What colour is the sky?" }];

const ids = ({ matches }) => matches.map(({ id }) => id);

// fail makes calls that must fail, and compares the words, before them the error's name.
async function fail(env, calls) {
  const said = {};
  const wanted = {};
  for (const [name, [call, words]] of Object.entries(calls)) {
    wanted[name] = env.nameless ? words.replace(/^\w+/, "Error") : words;
    try {
      await call(env);
      said[name] = "the call succeeded";
    } catch (error) {
      said[name] = `${error.name}: ${error.message}`.replace(/\([0-9a-f-]{36}\)$/, "(id)"); // of the request
    }
  }
  assert.deepEqual(said, wanted);
}

const checks = {
  async "VECTORIZE.insert"({ VECTORIZE }) {
    const { mutationId } = await VECTORIZE.insert([
      { id: "a", values: [1, 0, 0], metadata: { genre: "noir", year: 1944 } },
      { id: "b", values: new Float32Array([0.6, 0.8, 0]), namespace: "eu" },
    ]);
    assert.match(mutationId, /^[0-9a-f-]{36}$/);
  },
  async "VECTORIZE.upsert"({ VECTORIZE }) {
    const { mutationId } = await VECTORIZE.upsert([{ id: "c", values: [0, 1, 0], metadata: { genre: "drama" } }]);
    assert.match(mutationId, /^[0-9a-f-]{36}$/);
  },
  async "VECTORIZE.describe"({ VECTORIZE }) {
    const about = await VECTORIZE.describe();
    assert.equal(about.dimensions, 3);
    assert.equal(about.vectorCount, 3);
    assert.ok(!Number.isNaN(Date.parse(about.processedUpToDatetime)));
  },
  async "VECTORIZE.query, array"({ VECTORIZE }) {
    const found = await VECTORIZE.query([1, 0, 0], { topK: 2, returnValues: true, returnMetadata: "all" });
    assert.deepEqual(ids(found), ["a", "b"]); // all namespaces
    assert.equal(found.count, 2);
    assert.equal(found.matches[0].score, 1);
    assert.deepEqual(found.matches[0].metadata, { genre: "noir", year: 1944 });
    assert.deepEqual([...found.matches[0].values], [1, 0, 0]);
  },
  async "VECTORIZE.query, Float32Array"({ VECTORIZE }) {
    assert.deepEqual(ids(await VECTORIZE.query(new Float32Array([0, 1, 0]), { topK: 1, returnMetadata: true })), ["c"]);
  },
  async "VECTORIZE.query, namespace and filter"({ VECTORIZE }) {
    assert.deepEqual(ids(await VECTORIZE.query([1, 0, 0], { namespace: "eu" })), ["b"]);
    assert.deepEqual(ids(await VECTORIZE.query([1, 0, 0], { filter: { genre: { $in: ["drama", "farce"] } } })), ["c"]);
  },
  async "VECTORIZE.queryById"({ VECTORIZE }) {
    assert.equal(ids(await VECTORIZE.queryById("a", { topK: 1 }))[0], "a");
  },
  async "VECTORIZE.getByIds"({ VECTORIZE }) {
    const [b] = await VECTORIZE.getByIds(["b"]);
    assert.equal(b.id, "b");
    assert.equal(b.namespace, "eu");
    assert.deepEqual([...b.values].map((x) => x.toFixed(1)), ["0.6", "0.8", "0.0"]);
  },
  async "VECTORIZE.deleteByIds"({ VECTORIZE }) {
    assert.match((await VECTORIZE.deleteByIds(["a", "b"])).mutationId, /^[0-9a-f-]{36}$/);
    assert.equal((await VECTORIZE.describe()).vectorCount, 1);
    await VECTORIZE.deleteByIds(["c"]);
  },
  async "VECTORIZE, errors with code and words"(env) {
    await fail(env, errors.VECTORIZE);
  },
  async "AI.run, embeddings"({ AI }) {
    const { shape, data } = await AI.run(encoder, { text: ["a cat sat on the mat", "tax report"] });
    assert.deepEqual(shape, [2, 384]);
    assert.ok(Math.abs(data[0].reduce((sum, x) => sum + x * x, 0) - 1) < 1e-4);
    assert.ok(AI.lastRequestId === undefined || (await AI.lastRequestId).length > 0);
  },
  async "AI.run, chat"({ AI }) {
    const { response, usage } = await AI.run(chat, { messages });
    assert.equal(response, said);
    assert.ok(usage.total_tokens > 0);
  },
  async "AI.run, stream"({ AI }) {
    const stream = await AI.run(chat, { messages, stream: true });
    assert.ok(stream instanceof ReadableStream);
    const frames = (await new Response(stream).text()).trim().split("\n\n").map((frame) => frame.replace(/^data: /, ""));
    assert.equal(frames.pop(), "[DONE]");
    assert.equal(frames.map((frame) => JSON.parse(frame).response ?? "").join(""), said);
  },
  async "AI.run, raw response"({ AI }) {
    const reply = await AI.run(chat, { messages }, { returnRawResponse: true });
    assert.equal(reply.status, 200);
    assert.match(reply.headers.get("cf-ai-req-id"), /./);
    assert.equal((await reply.json()).response, said);
  },
  async "AI.run, stream in"({ AI }) {
    const sound = new Blob([new Uint8Array(100)]).stream();
    const { text } = await AI.run(listener, { audio: { body: sound, contentType: "audio/mpeg" }, language: "en" });
    assert.equal(text.trim(), "hello there");
  },
  async "AI.run, audio out"({ AI }) {
    const sound = new Uint8Array(await new Response(await AI.run(speaker, { text: "Hello." })).arrayBuffer());
    assert.deepEqual([...sound.slice(0, 3)], [0xff, 0xfb, 0x90]);
    assert.equal(sound.length, 41700);
  },
  async "AI.run, gateway"({ AI }) {
    const { response } = await AI.run(chat, { messages }, { gateway: { id: "shop", metadata: { of: "the test" } } });
    assert.equal(response, said);
    const log = await AI.aiGatewayLogId;
    if (log === undefined) return; // a proxy of the object has its calls only
    assert.equal((await AI.gateway("shop").getLog(log)).model, chat);
    assert.match(await AI.gateway("shop").getUrl("workers-ai"), /^http:.*\/shop\/workers-ai$/);
  },
  async "AI.run, errors with code and words"(env) {
    await fail(env, errors["AI.run"]);
  },
  async "AI.gateway, run, getUrl, getLog and patchLog"({ AI }) {
    const shop = AI.gateway("shop");
    const reply = await shop.run({ provider: "workers-ai", endpoint: chat, headers: {}, query: { messages } });
    assert.equal((await reply.json()).result.response, said);
    const id = reply.headers.get("cf-aig-log-id");
    await shop.patchLog(id, { feedback: 1 });
    const log = await shop.getLog(id);
    assert.equal(log.model, chat);
    assert.equal(log.feedback, 1);
    assert.match(await shop.getUrl("workers-ai"), /^http:.*\/shop\/workers-ai$/);
  },
  async "AI.models"({ AI }) {
    const [model] = await AI.models({ search: "bge-small" });
    assert.equal(model.name, encoder);
    assert.equal(model.task.name, "Text Embeddings");
  },
  async "AI.models, errors with words"(env) {
    await fail(env, errors["AI.models"]);
  },
  async "AI.toMarkdown"({ AI }) {
    const page = { name: "page.html", blob: new Blob(["<main><h1>Tides</h1><p>High water.</p></main>"], { type: "text/html" }) };
    const { id, tokens, ...rest } = await AI.toMarkdown(page);
    assert.match(id, /./);
    assert.ok(tokens > 0);
    assert.deepEqual(rest, { name: "page.html", mimeType: page.blob.type, format: "markdown", data: "# Tides\n\nHigh water." });
  },
  async "AI.toMarkdown, a list with a file that cannot be read"({ AI }) {
    const files = ["# Ebb", "\0\x01\xfe"].map((text, i) => ({ name: ["ebb.md", "ebb.bin"][i], blob: new Blob([text], { type: ["text/markdown", "application/octet-stream"][i] }) }));
    const [ebb, not] = await AI.toMarkdown(files);
    assert.equal(ebb.data, "# Ebb");
    assert.equal(not.format, "error");
    assert.match(not.error, /./);
  },
  async "AI.toMarkdown, supported"({ AI }) {
    const types = await AI.toMarkdown().supported();
    assert.ok(types.some(({ extension, mimeType }) => extension === ".pdf" && mimeType === "application/pdf"));
  },
};

// calls makes every call, one after the other, and tells which came out right and why others
// did not. Beside the bindings, env may say what a client cannot do: the calls that it goes
// without, and that it is nameless, that is, has the words of errors but not their names.
export async function calls(env) {
  const outcome = { worked: [], failed: {} };
  for (const [name, check] of Object.entries(checks)) {
    if (env.without?.includes(name)) continue;
    try {
      await check(env);
      outcome.worked.push(name);
    } catch (error) {
      outcome.failed[name] = error.stack;
    }
  }
  return outcome;
}
