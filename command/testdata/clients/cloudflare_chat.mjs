// Text generation through Cloudflare's SDK for JavaScript.
// usage: node cloudflare_chat.mjs PACKAGE
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packageName] = process.argv.slice(2);
const require = createRequire(process.env.NEARSIDE_CLIENTS + "/package.json");
const { default: Cloudflare } = await import(pathToFileURL(require.resolve(packageName)));

const account_id = "local";
const cf = new Cloudflare({ apiToken: "local", maxRetries: 0 });
const model = "@cf/meta/llama-3.2-3b-instruct";

const native = await cf.ai.run(model, { account_id, messages: [{ role: "user", content: "why is the sky blue" }] });
assert.equal(native.response, "The sky is blue.");
assert.equal(native.usage.completion_tokens, 5);
assert.equal((await cf.ai.run(model, { account_id, prompt: "why is the sky blue" })).response, "The sky is blue.");

const called = await cf.ai.run("@cf/openai/gpt-oss-20b", { account_id, messages: [{ role: "user", content: "how is it in Oslo" }] });
assert.equal(called.choices[0].message.tool_calls[0].function.name, "weather");

await assert.rejects(cf.ai.run(model, { account_id, prompt: "x", temperature: 9 }), (e) => e.status === 400 && e.errors[0].code === 5006);
await assert.rejects(cf.ai.run("@cf/no/model", { account_id, prompt: "x" }), (e) => e.status === 400 && e.errors[0].code === 5007);
console.log(`${packageName}, chat: ok`);
