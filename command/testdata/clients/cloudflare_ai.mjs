// Models through Cloudflare's SDK for JavaScript.
// usage: node cloudflare_ai.mjs PACKAGE
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import * as house from "./house.mjs";

const [packageName] = process.argv.slice(2);
const { default: Cloudflare } = await import(packageName);
const { works, talker, said, question: messages } = house;
const cf = new Cloudflare({ apiToken: "local", maxRetries: 0 });
const account_id = "local";
const run = (model, input) => cf.ai.run(model, { account_id, ...input });
// A stream cannot be read but from the reply itself.
const streamed = async (model, input) => house.frames((await run(model, { ...input, stream: true }).asResponse()).body);

await works("text", async () => {
  const native = await run(talker, { messages });
  assert.equal(native.response, said);
  assert.equal(native.usage.completion_tokens, house.tokens);
  const [choice] = (await run(house.completer, { messages })).choices;
  assert.equal(choice.message.content, said);
  assert.equal(choice.finish_reason, "stop");
});

await works("text from a prompt", async () => {
  assert.equal((await run(talker, { prompt: "The colour of the sky:", max_tokens: 3 })).response, "The sky is");
});

await works("text, streamed", async () => {
  const native = await streamed(talker, { messages });
  assert.equal(native.pop(), "[DONE]");
  const objects = native.map((frame) => JSON.parse(frame));
  assert.equal(objects.map((o) => o.response).join(""), said);
  assert.equal(objects.pop().usage.completion_tokens, house.tokens);
  const complete = await streamed(house.completer, { messages });
  assert.equal(complete.pop(), "[DONE]");
  assert.equal(complete.map((frame) => JSON.parse(frame).choices?.[0]?.delta?.content ?? "").join(""), said);
});

await works("tools and their results", async () => {
  const asked = [{ role: "user", content: "Is it warm in Oslo?" }];
  const called = await run(talker, { messages: asked, tools: [house.weather] });
  assert.deepEqual(called.tool_calls, [{ name: "weather", arguments: { city: "Oslo" } }]);
  const answered = [...asked, { role: "assistant", content: "", tool_calls: called.tool_calls }, { role: "tool", name: "weather", content: "12 degrees" }];
  assert.equal((await run(talker, { messages: answered, tools: [house.weather] })).response, said);

  const { message } = (await run(house.completer, { messages: asked, tools: [{ type: "function", function: house.weather }] })).choices[0];
  const [call] = message.tool_calls;
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Oslo" });
  const result = { role: "tool", tool_call_id: call.id, content: "12 degrees" };
  assert.equal((await run(house.completer, { messages: [...asked, message, result], tools: [{ type: "function", function: house.weather }] })).choices[0].message.content, said);
});

await works("tools, streamed", async () => {
  const calls = (await streamed(talker, { messages, tools: [house.weather] })).slice(0, -1).flatMap((frame) => JSON.parse(frame).tool_calls ?? []);
  assert.deepEqual([calls[0].name, calls[0].arguments], ["weather", { city: "Oslo" }]);
});

await works("JSON mode", async () => {
  const response_format = { type: "json_schema", json_schema: house.jsonSchema };
  assert.deepEqual((await run(talker, { messages, response_format })).response, house.json);
  assert.deepEqual(JSON.parse((await run(house.completer, { messages, response_format })).choices[0].message.content), house.json);
});

await works("thoughts apart from the answer", async () => {
  const { message } = (await run(house.thinker, { messages })).choices[0];
  assert.deepEqual([message.reasoning_content, message.content], [house.thought.reasoning, house.thought.said]);
});

await works("pictures in messages", async () => {
  const content = [{ type: "text", text: "What is it?" }, { type: "image_url", image_url: { url: `data:image/png;base64,${house.picture}` } }];
  assert.equal((await run(house.eyes, { messages: [{ role: "user", content }] })).response, house.seen);
});

await works("embeddings", async () => {
  const { shape, data } = await run(house.encoder, { text: house.texts });
  assert.deepEqual(shape, [3, 384]);
  house.near(data);
});

await works("reranking", async () => {
  const { response } = await run(house.ranker, { query: house.query, contexts: house.contexts.map((text) => ({ text })), top_k: 2 });
  assert.deepEqual(response.map((r) => r.id), [1, 2]);
  assert.ok(response[0].score > response[1].score);
});

await works("text classification", async () => {
  assert.deepEqual(await run(house.judge, { text: "It broke on the first day." }), [{ label: "NEGATIVE", score: 0.75 }, { label: "POSITIVE", score: 0.25 }]);
});

await works("summarization", async () => {
  assert.deepEqual(await run(house.summarizer, { input_text: "On clear days light is scattered by air, the blue most of all." }), { summary: said.trim() });
});

await works("translation", async () => {
  assert.deepEqual(await run(house.translator, { text: "Der Himmel ist blau.", source_lang: "german", target_lang: "english" }), { translated_text: said.trim() });
});

await works("image to text", async () => {
  assert.deepEqual(await run(house.looker, { image: [...house.pictureBytes], prompt: "What is it?" }), { description: house.seen });
});

await works("image classification", async () => {
  assert.deepEqual(await run(house.labeller, { image: [...house.pictureBytes] }), house.labels);
});

await works("speech to text", async () => {
  const heard = await run(house.listener, { audio: [...house.sound] });
  assert.deepEqual([heard.text, heard.word_count], [house.heard, 2]);
  assert.match(heard.vtt, /^WEBVTT/);
  const large = await run(house.largeListener, { audio: house.sound.toString("base64"), language: "en" });
  assert.deepEqual([large.text, large.transcription_info.language, large.segments.length], [house.heard, "en", 1]);
});

await works("text to speech", async () => {
  const reply = await run(house.speaker, { text: "Hello there." }).asResponse();
  assert.match(reply.headers.get("content-type"), /^audio\/mpeg/);
  house.isMP3(new Uint8Array(await reply.arrayBuffer()));
  const { audio } = await run(house.jsonSpeaker, { prompt: "Hello there." });
  house.isMP3(Buffer.from(audio, "base64"));
});

await works("text to image", async () => {
  const { image } = await run(house.jsonPainter, { prompt: "a red dot" });
  house.isPNG(Buffer.from(image, "base64"), 1024, 1024);
  const reply = await run(house.painter, { prompt: "a red dot", width: 512, height: 256 }).asResponse();
  assert.equal(reply.headers.get("content-type"), "image/png");
  house.isPNG(await reply.arrayBuffer(), 512, 256);
});

await works("responses", async () => {
  const { object, output } = await run(house.responder, { input: "What colour is the sky?", instructions: "Be short." });
  assert.equal(object, "response");
  assert.equal(output.find((item) => item.type === "message").content[0].text, said);
});

await works("batches", async () => {
  const requests = ["first", "second"].map((external_reference) => ({ prompt: "The colour of the sky:", external_reference }));
  const queued = await cf.ai.run(talker, { account_id, requests }, { query: { queueRequest: true } });
  assert.equal(queued.status, "queued");
  let batch = queued;
  for (; batch.status; await setTimeout(20)) batch = await cf.ai.run(talker, { account_id, request_id: queued.request_id }, { query: { queueRequest: true } });
  assert.deepEqual(batch.responses.map((r) => [r.external_reference, r.success, r.result.response]), [["first", true, said], ["second", true, said]]);
});

await works("price in neurons", async () => {
  const { data, response } = await run(talker, { messages }).withResponse();
  assert.ok(data.usage.neurons > 0);
  assert.equal(Number(response.headers.get("cf-ai-neurons")), data.usage.neurons);
});

await works("cache of a gateway", async () => {
  const headers = { "cf-aig-gateway-id": packageName, "cf-aig-cache-ttl": "60" };
  for (const [status, free] of [["MISS", false], ["HIT", true]]) {
    const { data, response } = await cf.ai.run(talker, { account_id, messages }, { headers }).withResponse();
    assert.equal(data.response, said);
    assert.equal(response.headers.get("cf-aig-cache-status"), status);
    assert.equal(Number(response.headers.get("cf-ai-neurons")) === 0, free);
  }
});

await works("logs of a gateway", async () => {
  const gateway_id = packageName;
  const { response } = await cf.ai.run(talker, { account_id, messages }, { headers: { "cf-aig-gateway-id": gateway_id } }).withResponse();
  const id = response.headers.get("cf-aig-log-id");
  const { logs } = cf.aiGateway;
  const named = (method, given) => (packageName === "cloudflare" ? method.call(logs, id, { account_id, gateway_id, ...given }) : method.call(logs, gateway_id, id, { account_id, ...given })); // until version 5 the gateway came first
  const log = await named(logs.get);
  assert.deepEqual([log.model, log.tokens_out, log.cached, log.success], [talker, house.tokens, false, true]);
  await named(logs.edit, { feedback: 1, score: 90 });
  const listed = [];
  for await (const log of logs.list(gateway_id, { account_id })) listed.push(log.cached);
  assert.deepEqual(listed.sort(), [false, false, true]); // the two before, too
});

await works("list of models", async () => {
  const ids = new Set();
  for await (const model of cf.ai.models.list({ account_id })) for (const m of [model].flat()) ids.add(m.name);
  assert.ok(ids.size > 50 && ids.has(talker) && ids.has(house.encoder), `${ids.size} models`);
});

await works("schemas of models", async () => {
  const { input, output } = await cf.ai.models.schema.get({ account_id, model: house.encoder });
  assert.ok(JSON.stringify(input).includes('"text"') && JSON.stringify(output).includes('"shape"'));
});

await works("errors with code and words", async () => {
  const refused = (code, words) => (e) => e.status === 400 && e.errors[0].code === code && e.errors[0].message.includes(words);
  await assert.rejects(run("@cf/no/model", { prompt: "x" }), refused(5007, "No such model @cf/no/model"));
  await assert.rejects(run(talker, { prompt: "x", temperature: 9 }), refused(5006, "temperature"));
});

await works("broken streams are errors", async () => {
  await assert.rejects(streamed(house.fragile, { messages })); // its end never comes
  assert.equal((await run(house.fragile, { messages })).response, house.whole);
});

await works("limits in neurons", async () => {
  const cf = new Cloudflare({ baseURL: `${house.spentURL}/client/v4`, apiToken: "local", maxRetries: 0 });
  await assert.rejects(cf.ai.run(talker, { account_id, messages }), (e) => e instanceof Cloudflare.RateLimitError && e.errors[0].code === 3036 && house.spent.test(e.errors[0].message));
});

await works("fine-tunes kept", async () => {
  const { id } = await cf.ai.finetunes.create({ account_id, model: house.tunable, name: packageName });
  const file = new File([JSON.stringify({ peft_type: "LORA", r: 8 })], "adapter_config.json");
  await cf.ai.finetunes.assets.create(id, { account_id, file, file_name: file.name });
  assert.ok([await cf.ai.finetunes.list({ account_id })].flat().some((f) => f.name === packageName && f.model === house.tunable));
  await assert.rejects(run(house.tunable, { prompt: "x", lora: packageName }), (e) => e.errors[0].code === 3039 && e.errors[0].message.includes("adapter_model.safetensors"));
});
house.report(`cloudflare ${house.version(packageName)}`);
