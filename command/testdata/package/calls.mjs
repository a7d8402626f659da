// Every call of the two bindings, by the package nearside, where there is no Worker. With
// the word "project", they are those of the folder's project; else, what the environment says.
import assert from "node:assert/strict";
import { Ai, bindings, Vectorize } from "nearside";
import { calls } from "./calls.js";
import { failures } from "./failures.js";

const said = () => ({ AI: new Ai(), VECTORIZE: new Vectorize("docs"), GONE: new Vectorize("gone") });
const env = process.argv.includes("project") ? bindings() : said();

// aborted is what comes of a call whose signal was given before.
async function aborted() {
  const reason = new Error("enough");
  await assert.rejects(env.AI.run("@cf/meta/llama-3.3-70b-instruct-fp8-fast", { prompt: "hello" }, { signal: AbortSignal.abort(reason) }), reason);
}

if (process.argv.includes("failures")) {
  console.log(JSON.stringify(await failures(env)));
} else {
  await aborted();
  assert.throws(() => new Ai({ url: "localhost:8810" }), /no such address as localhost:8810; write one like http:/);
  assert.throws(() => new Vectorize(), /the index is named by a string/);
  assert.throws(() => new Ai({ project: "nowhere" }), /nearside dev init/);
  console.log(JSON.stringify(await calls(env)));
}
