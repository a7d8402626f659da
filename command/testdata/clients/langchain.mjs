// LangChain's package for Cloudflare. It reads only the answers of models that
// answer as {response}, and sends no tools.
import assert from "node:assert/strict";
import { ChatCloudflareWorkersAI, CloudflareWorkersAI, CloudflareWorkersAIEmbeddings } from "@langchain/cloudflare";
import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { binding } from "./binding.mjs";
import * as house from "./house.mjs";

const { works, said } = house;
const settings = { model: house.talker, baseUrl: `${house.account}/ai/run/`, cloudflareAccountId: "local", cloudflareApiToken: "local", maxRetries: 0 };
const messages = [["system", "Be short."], ["human", "What colour is the sky?"]];

await works("text", async () => {
  assert.equal((await new ChatCloudflareWorkersAI(settings).invoke(messages)).content, said);
  const chain = ChatPromptTemplate.fromMessages([["human", "What colour is the {thing}?"]]).pipe(new ChatCloudflareWorkersAI(settings)).pipe(new StringOutputParser());
  assert.deepEqual(await chain.batch([{ thing: "sky" }, { thing: "sea" }]), [said, said]);
});

await works("text, streamed", async () => {
  const pieces = [];
  for await (const chunk of await new ChatCloudflareWorkersAI(settings).stream(messages)) pieces.push(chunk.content);
  assert.equal(pieces.join(""), said);
  assert.ok(pieces.length > 3, `${pieces.length} pieces`);
  assert.equal((await new ChatCloudflareWorkersAI({ ...settings, streaming: true }).invoke(messages)).content, said);
});

await works("text from a prompt", async () => {
  const model = new CloudflareWorkersAI(settings);
  assert.equal(await model.invoke("The colour of the sky:"), said);
  let streamed = "";
  for await (const piece of await model.stream("The colour of the sky:")) streamed += piece;
  assert.equal(streamed, said);
});

await works("embeddings", async () => {
  const model = new CloudflareWorkersAIEmbeddings({ binding: binding(house.url), model: house.encoder, maxRetries: 0 });
  house.near(await model.embedDocuments(house.texts));
  const many = Array.from({ length: 120 }, (_, i) => `text number ${i}`); // three calls: it sends 50 texts in one
  const vectors = await model.embedDocuments(many);
  assert.equal(vectors.length, 120);
  assert.ok(house.dot(await model.embedQuery(many[101]), vectors[101]) > 0.9999);
  assert.ok(house.dot(vectors[1], vectors[101]) < 0.9999);
});

await works("errors with code and words", async () => {
  // Its message has the status alone; the reply is beside it.
  const error = await new ChatCloudflareWorkersAI({ ...settings, model: "@cf/no/model" }).invoke(messages).catch((e) => e);
  assert.match(error.message, /status code 400/);
  assert.equal((await error.response.json()).errors[0].code, 5007);
});

await works("broken streams are errors", async () => {
  const model = new ChatCloudflareWorkersAI({ ...settings, model: house.fragile });
  await assert.rejects(async () => {
    for await (const chunk of await model.stream(messages)) assert.ok(["It", " is", undefined].includes(chunk.content)); // undefined: the frame that says why
  });
  assert.equal((await model.invoke(messages)).content, house.whole);
});
house.report(`@langchain/cloudflare ${house.version("@langchain/cloudflare")}`);
