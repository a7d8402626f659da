// Embeddings through OpenAI's SDK for JavaScript, which asks for base64 unless told otherwise.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.NEARSIDE_CLIENTS + "/package.json");
const { default: OpenAI } = await import(pathToFileURL(require.resolve("openai")));

for (const baseURL of [`${process.env.NEARSIDE_URL}/v1`, `${process.env.NEARSIDE_URL}/client/v4/accounts/local/ai/v1`]) {
  const openai = new OpenAI({ baseURL, apiKey: "local", maxRetries: 0 });
  const model = "@cf/baai/bge-small-en-v1.5";
  const input = ["a cat sat on the mat", "the feline rested on the rug", "quarterly tax report"];
  const encoded = await openai.embeddings.create({ model, input });
  const plain = await openai.embeddings.create({ model, input, encoding_format: "float" });
  assert.equal(encoded.data.length, 3);
  assert.equal(encoded.data[0].embedding.length, 384);
  encoded.data[0].embedding.forEach((x, i) => assert.ok(Math.abs(x - plain.data[0].embedding[i]) < 1e-6));
  const dot = (a, b) => a.embedding.reduce((sum, x, i) => sum + x * b.embedding[i], 0);
  assert.ok(dot(plain.data[0], plain.data[1]) > dot(plain.data[0], plain.data[2]));
  assert.ok(plain.usage.prompt_tokens > 10);
  await assert.rejects(openai.embeddings.create({ model: "no-such-model", input }), (e) => e.status === 400);
}
console.log("openai: ok");
