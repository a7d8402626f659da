// Vercel's AI SDK with workers-ai-provider: before an object with run(), which
// calls the server as the binding env.AI does, or by its own REST calls.
// usage: node workers_ai_provider.mjs binding|rest
import assert from "node:assert/strict";
import { APICallError, embed, embedMany, generateImage, generateObject, generateSpeech, generateText, isStepCount, Output, rerank, streamText, tool, transcribe } from "ai";
import { createWorkersAI } from "workers-ai-provider";
import { z } from "zod";
import { binding } from "./binding.mjs";
import * as house from "./house.mjs";

const [way] = process.argv.slice(2);
const { works, said, question: messages } = house;
// The provider's own calls go to Cloudflare; only its fetch can be told otherwise.
const rest = (url) => ({
  accountId: "local",
  apiKey: "local",
  fetch: (address, init) => house.call(address.replace(/^https:\/\/(api|gateway\.ai)\.cloudflare\.com/, url), init),
});
const provider = (settings, url = house.url) => createWorkersAI({ ...(way === "rest" ? rest(url) : { binding: binding(url) }), ...settings });
const workersai = provider();
const spent = provider({}, house.spentURL);
const maxRetries = 0;
const weather = (cities) => tool({ description: house.weather.description, inputSchema: z.object({ city: z.string() }), execute: ({ city }) => (cities.push(city), `12 degrees`) });
const callOnly = tool({ description: "Not carried out here.", inputSchema: z.object({ city: z.string() }) });

for (const id of [house.talker, house.completer]) {
  const model = workersai(id);

  await works("text", async () => {
    const whole = await generateText({ model, messages, maxRetries });
    assert.equal(whole.text, said);
    assert.equal(whole.finishReason, "stop");
    assert.equal(whole.usage.outputTokens, house.tokens);
    assert.equal((await generateText({ model, prompt: "hello", maxOutputTokens: 3, maxRetries })).text, "The sky is");
  });

  await works("text, streamed", async () => {
    const streamed = streamText({ model, messages, maxRetries });
    const pieces = [];
    for await (const piece of streamed.textStream) pieces.push(piece);
    assert.equal(pieces.join(""), said);
    assert.ok(pieces.length > 3, `${pieces.length} pieces`);
    assert.equal(await streamed.finishReason, "stop");
    assert.equal((await streamed.usage).outputTokens, house.tokens);
  });

  await works("tools and their results", async () => {
    const cities = [];
    const { text, steps } = await generateText({ model, prompt: "Is it warm in Oslo?", tools: { weather: weather(cities) }, stopWhen: isStepCount(3), maxRetries });
    assert.equal(text, said); // said only after the tool's answer
    assert.equal(steps.length, 2);
    assert.deepEqual(cities, ["Oslo"]);
  });

  await works("tools and their results", async () => {
    const { toolCalls } = await generateText({ model, messages, tools: { weather: callOnly }, toolChoice: { type: "tool", toolName: "weather" }, maxRetries });
    assert.deepEqual(toolCalls.map((call) => call.input), [{ city: "Oslo" }]);
  });

  await works("tools, streamed", async () => {
    const cities = [];
    const { text, steps } = streamText({ model, prompt: "Is it warm in Oslo?", tools: { weather: weather(cities) }, stopWhen: isStepCount(3), maxRetries });
    assert.equal(await text, said);
    assert.equal((await steps).length, 2);
    assert.deepEqual(cities, ["Oslo"]);
  });

  await works("JSON mode", async () => {
    const schema = z.object({ answer: z.string() });
    assert.deepEqual((await generateObject({ model, schema, prompt: "Which colour?", maxRetries })).object, house.json);
    assert.deepEqual((await generateText({ model, output: Output.object({ schema }), prompt: "Which colour?", maxRetries })).output, house.json);
  });
}

await works("tools, streamed", async () => {
  const tools = { weather: callOnly, time: callOnly };
  const expected = [["weather", { city: "Oslo" }], ["time", { city: "Bergen" }]];
  const named = (calls) => calls.map((call) => [call.toolName, call.input]);
  for (const id of [house.caller, house.completeCaller]) {
    const model = workersai(id);
    assert.deepEqual(named((await generateText({ model, messages, tools, maxRetries })).toolCalls), expected);
    assert.deepEqual(named(await streamText({ model, messages, tools, maxRetries }).toolCalls), expected);
  }
});

await works("thoughts apart from the answer", async () => {
  const model = workersai(house.thinker);
  const whole = await generateText({ model, messages, maxRetries });
  assert.equal(whole.text, house.thought.said);
  assert.equal(whole.reasoningText, house.thought.reasoning);
  const streamed = streamText({ model, messages, maxRetries });
  assert.equal(await streamed.text, house.thought.said);
  assert.equal(await streamed.reasoningText, house.thought.reasoning);
});

await works("pictures in messages", async () => {
  const content = [{ type: "text", text: "What is it?" }, { type: "image", image: house.picture, mediaType: "image/png" }];
  assert.equal((await generateText({ model: workersai(house.eyes), messages: [{ role: "user", content }], maxRetries })).text, house.seen);
});

await works("embeddings", async () => {
  const model = workersai.embedding(house.encoder);
  const { embeddings } = await embedMany({ model, values: house.texts, maxRetries });
  house.near(embeddings);
  const { embedding } = await embed({ model, value: house.texts[0], maxRetries });
  assert.ok(house.dot(embedding, embeddings[0]) > 0.9999);
  // The provider would send 3,000 texts in a call; Cloudflare's models take 100.
  const values = Array.from({ length: 120 }, (_, i) => `text number ${i}`);
  const many = await embedMany({ model: workersai.embedding(house.encoder, { maxEmbeddingsPerCall: 100 }), values, maxRetries });
  assert.equal(new Set(many.embeddings.map(String)).size, 120);
});

await works("reranking", async () => {
  const { ranking, rerankedDocuments } = await rerank({ model: workersai.reranking(house.ranker), query: house.query, documents: house.contexts, topN: 2, maxRetries });
  assert.deepEqual(ranking.map((r) => r.originalIndex), [1, 2]);
  assert.equal(rerankedDocuments[0], "the sky is blue");
});

await works("speech to text", async () => {
  // By REST, the provider sends what nova-3 hears to its own address whatever its fetch is told.
  for (const id of [house.listener, house.largeListener, ...(way === "binding" ? [house.novaListener] : [])]) {
    const { text, segments } = await transcribe({ model: workersai.transcription(id), audio: house.sound, maxRetries });
    assert.equal(text, house.heard);
    assert.equal(segments[0].startSecond, 0);
  }
});

await works("text to speech", async () => {
  const { audio } = await generateSpeech({ model: workersai.speech(house.speaker), text: "Hello there.", maxRetries });
  house.isMP3(audio.uint8Array);
  assert.equal(audio.mediaType, "audio/mpeg");
});

await works("text to image", async () => {
  const { image } = await generateImage({ model: workersai.image(house.jsonPainter), prompt: "a red dot", maxRetries });
  house.isPNG(image.uint8Array, 1024, 1024);
  if (way === "rest") return; // the provider reads JSON only
  const bytes = await generateImage({ model: workersai.image(house.painter), prompt: "a red dot", size: "512x256", n: 2, maxRetries });
  for (const { uint8Array } of bytes.images) house.isPNG(uint8Array, 512, 256);
});

await works("cache of a gateway", async () => {
  const model = provider({ gateway: { id: "shop", cacheTtl: 60, metadata: { way } } })(house.talker);
  for (const status of ["MISS", "HIT"]) {
    assert.equal((await generateText({ model, prompt: `Asked by ${way}.`, maxRetries })).text, said);
    assert.equal(house.caches.at(-1), status);
  }
});

await works("errors with code and words", async () => {
  // The binding throws "5007: …"; the REST call keeps the status.
  const refused = (status, code, words) => (e) => APICallError.isInstance(e) && (way === "binding" || e.statusCode === status) && e.message.includes(code) && e.message.includes(words);
  await assert.rejects(generateText({ model: workersai("@cf/no/model"), messages, maxRetries }), refused(400, "5007", "No such model @cf/no/model"));
  await assert.rejects(generateText({ model: workersai(house.talker), messages, temperature: 9, maxRetries }), refused(400, "5006", "temperature"));
});

await works("broken streams are errors", async () => {
  const model = workersai(house.fragile);
  let text = "";
  await assert.rejects(async () => {
    for await (const piece of streamText({ model, messages, maxRetries, onError() {} }).textStream) text += piece;
  });
  assert.equal(text, "It is");
  assert.equal((await generateText({ model, messages, maxRetries })).text, house.whole);
});

await works("limits in neurons", async () => {
  const refused = (e) => APICallError.isInstance(e) && e.statusCode === 429 && e.isRetryable && house.spent.test(e.message); // of a binding it knows the status by the code
  await assert.rejects(generateText({ model: spent(house.talker), messages, maxRetries }), refused);
});
house.report(`workers-ai-provider ${house.version("workers-ai-provider")} with ai ${house.version("ai")}, ${way}`);
