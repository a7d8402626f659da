// OpenAI's SDK for JavaScript.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import * as house from "./house.mjs";

const { works, talker, said, question: messages } = house;
const answer = z.object({ answer: z.string() });
const tool = { type: "function", function: house.weather };
const functionTool = { type: "function", ...house.weather, strict: false };

for (const baseURL of [`${house.url}/v1`, `${house.account}/ai/v1`]) {
  const openai = new OpenAI({ baseURL, apiKey: "local", maxRetries: 0 });
  const chat = openai.chat.completions;

  for (const model of [talker, house.completer]) {
    await works("text", async () => {
      const whole = await chat.create({ model, messages });
      assert.equal(whole.choices[0].message.content, said);
      assert.equal(whole.choices[0].finish_reason, "stop");
      assert.equal(whole.usage.completion_tokens, house.tokens);
      const cut = await chat.create({ model, messages, max_tokens: 3 });
      assert.equal(cut.choices[0].message.content, "The sky is");
      assert.equal(cut.choices[0].finish_reason, "length");
    });

    await works("text, streamed", async () => {
      const pieces = [];
      let usage;
      for await (const chunk of await chat.create({ model, messages, stream: true, stream_options: { include_usage: true } })) {
        if (chunk.choices[0]?.delta?.content) pieces.push(chunk.choices[0].delta.content);
        usage = chunk.usage ?? usage;
      }
      assert.equal(pieces.join(""), said);
      assert.ok(pieces.length > 3, `${pieces.length} pieces`);
      assert.equal(usage.completion_tokens, house.tokens);
      const final = await chat.stream({ model, messages }).finalChatCompletion();
      assert.equal(final.choices[0].message.content, said);
    });

    await works("tools and their results", async () => {
      const cities = [];
      const run = chat.runTools({
        model,
        messages: [{ role: "user", content: "Is it warm in Oslo?" }],
        tools: [{ type: "function", function: { ...house.weather, parse: JSON.parse, function: ({ city }) => (cities.push(city), "12 degrees") } }],
      });
      assert.equal(await run.finalContent(), said); // said only after the tool's answer
      assert.deepEqual(cities, ["Oslo"]);
      assert.deepEqual(run.messages.map((m) => m.role), ["user", "assistant", "tool", "assistant"]);
    });

    await works("tools, streamed", async () => {
      const final = await chat.stream({ model, messages, tools: [tool] }).finalChatCompletion();
      const [call] = final.choices[0].message.tool_calls;
      assert.equal(call.function.name, "weather");
      assert.deepEqual(JSON.parse(call.function.arguments), { city: "Oslo" });
      assert.equal(final.choices[0].finish_reason, "tool_calls");
    });

    await works("JSON mode", async () => {
      const parsed = await chat.parse({ model, messages, response_format: zodResponseFormat(answer, "answer") });
      assert.deepEqual(parsed.choices[0].message.parsed, house.json);
    });

    await works("price in neurons", async () => {
      const { data, response } = await chat.create({ model, messages }).withResponse();
      assert.ok(data.usage.neurons > 0);
      assert.equal(Number(response.headers.get("cf-ai-neurons")), data.usage.neurons);
    });

    await works("responses", async () => {
      const whole = await openai.responses.create({ model, input: "What colour is the sky?", instructions: "Be short." });
      assert.equal(whole.output_text, said);
      assert.equal(whole.status, "completed");
      assert.equal(whole.usage.output_tokens, house.tokens);
      const parsed = await openai.responses.parse({ model, input: messages, text: { format: zodTextFormat(answer, "answer") } });
      assert.deepEqual(parsed.output_parsed, house.json);
      const input = [{ role: "user", content: "Is it warm in Oslo?" }];
      const called = await openai.responses.create({ model, input, tools: [functionTool] });
      const call = called.output.find((item) => item.type === "function_call");
      assert.deepEqual(JSON.parse(call.arguments), { city: "Oslo" });
      const result = { type: "function_call_output", call_id: call.call_id, output: "12 degrees" };
      assert.equal((await openai.responses.create({ model, input: [...input, ...called.output, result], tools: [functionTool] })).output_text, said);
    });

    await works("responses, streamed", async () => {
      let text = "";
      for await (const event of await openai.responses.create({ model, input: messages, stream: true })) {
        if (event.type === "response.output_text.delta") text += event.delta;
      }
      assert.equal(text, said);
      const final = await openai.responses.stream({ model, input: messages }).finalResponse();
      assert.equal(final.output_text, said);
      const called = await openai.responses.stream({ model, input: messages, tools: [functionTool] }).finalResponse();
      assert.deepEqual(JSON.parse(called.output.find((item) => item.type === "function_call").arguments), { city: "Oslo" });
    });
  }

  await works("text from a prompt", async () => {
    const whole = await openai.completions.create({ model: talker, prompt: "The colour of the sky:" });
    assert.equal(whole.choices[0].text, said);
    let streamed = "";
    for await (const chunk of await openai.completions.create({ model: talker, prompt: "The colour of the sky:", stream: true })) streamed += chunk.choices[0]?.text ?? "";
    assert.equal(streamed, said);
  });

  await works("thoughts apart from the answer", async () => {
    const { message } = (await chat.create({ model: house.thinker, messages })).choices[0];
    assert.equal(message.content, house.thought.said);
    assert.equal(message.reasoning_content, house.thought.reasoning);
  });

  await works("pictures in messages", async () => {
    const content = [{ type: "text", text: "What is it?" }, { type: "image_url", image_url: { url: `data:image/png;base64,${house.picture}` } }];
    const reply = await chat.create({ model: house.eyes, messages: [{ role: "user", content }] });
    assert.equal(reply.choices[0].message.content, house.seen);
  });

  await works("embeddings", async () => {
    // Unless told otherwise this client asks for base64.
    const encoded = await openai.embeddings.create({ model: house.encoder, input: house.texts });
    const plain = await openai.embeddings.create({ model: house.encoder, input: house.texts, encoding_format: "float" });
    house.near(encoded.data.map((d) => d.embedding));
    encoded.data.forEach((d, i) => d.embedding.forEach((x, j) => assert.ok(Math.abs(x - plain.data[i].embedding[j]) < 1e-6)));
    assert.ok(plain.usage.prompt_tokens > 10);
    assert.equal((await openai.embeddings.create({ model: house.encoder, input: "hello" })).data.length, 1);
  });

  await works("list of models", async () => {
    const ids = [];
    for await (const model of await openai.models.list()) ids.push(model.id);
    assert.ok(ids.includes(talker) && ids.includes(house.encoder), ids.join());
  });

  await works("errors with code and words", async () => {
    await assert.rejects(chat.create({ model: "no-such-model", messages }), (e) => e instanceof OpenAI.BadRequestError && /No such model no-such-model/.test(e.message));
    await assert.rejects(chat.create({ model: talker, messages, temperature: 9 }), (e) => e.status === 400 && /temperature/.test(e.message));
    await assert.rejects(openai.embeddings.create({ model: "no-such-model", input: "x" }), (e) => e.status === 400 && /no-such-model/.test(e.message));
    await assert.rejects(openai.responses.create({ model: talker, input: "x", previous_response_id: "r1" }), (e) => e.status === 400 && /not stored/.test(e.message));
  });
}

await works("broken streams are errors", async () => {
  const openai = new OpenAI({ baseURL: `${house.url}/v1`, apiKey: "local", maxRetries: 0 });
  const asked = { model: house.fragile, messages, stream: true };
  let text = "";
  await assert.rejects(async () => {
    for await (const chunk of await openai.chat.completions.create(asked)) text += chunk.choices[0]?.delta?.content ?? "";
  }, (e) => e instanceof OpenAI.APIError && /in the middle of its reply/.test(e.message));
  assert.equal(text, "It is");
  assert.equal((await openai.chat.completions.create({ ...asked, stream: false })).choices[0].message.content, house.whole);
});

await works("limits in neurons", async () => {
  const openai = new OpenAI({ baseURL: `${house.spentURL}/v1`, apiKey: "local", maxRetries: 0 });
  await assert.rejects(openai.chat.completions.create({ model: talker, messages }), (e) => e instanceof OpenAI.RateLimitError && house.spent.test(e.message));
});
house.report(`openai ${house.version("openai")}`);
