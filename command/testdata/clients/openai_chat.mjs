// Chat, streams, tools and responses through OpenAI's SDK for JavaScript.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.NEARSIDE_CLIENTS + "/package.json");
const { default: OpenAI } = await import(pathToFileURL(require.resolve("openai")));

const model = "@cf/meta/llama-3.2-3b-instruct";
const messages = [{ role: "user", content: "why is the sky blue" }];
const said = "The sky is blue.";
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } } }];

for (const baseURL of [`${process.env.NEARSIDE_URL}/v1`, `${process.env.NEARSIDE_URL}/client/v4/accounts/local/ai/v1`]) {
  const openai = new OpenAI({ baseURL, apiKey: "local", maxRetries: 0 });

  const whole = await openai.chat.completions.create({ model, messages });
  assert.equal(whole.choices[0].message.content, said);
  assert.equal(whole.choices[0].finish_reason, "stop");
  assert.equal(whole.usage.completion_tokens, 5);
  assert.ok(whole.usage.neurons > 0);

  let text = "";
  let usage;
  for await (const chunk of await openai.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } })) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, said);
  assert.equal(usage.completion_tokens, 5);

  assert.equal((await openai.completions.create({ model, prompt: "why is the sky blue" })).choices[0].text, said);

  const response = await openai.responses.create({ model, input: "why is the sky blue" });
  assert.equal(response.output_text, said);
  let streamed = "";
  for await (const event of await openai.responses.create({ model, input: "why is the sky blue", stream: true })) {
    if (event.type === "response.output_text.delta") streamed += event.delta;
  }
  assert.equal(streamed, said);

  const caller = "@cf/openai/gpt-oss-20b";
  const called = await openai.chat.completions.create({ model: caller, messages, tools });
  assert.deepEqual(JSON.parse(called.choices[0].message.tool_calls[0].function.arguments), { city: "Oslo" });
  let name;
  for await (const chunk of await openai.chat.completions.create({ model: caller, messages, tools, stream: true })) {
    name = chunk.choices[0]?.delta?.tool_calls?.[0]?.function?.name ?? name;
  }
  assert.equal(name, "weather");

  await assert.rejects(openai.chat.completions.create({ model: "no-such-model", messages }), (e) => e.status === 400 && /No such model/.test(e.message));
  await assert.rejects(openai.chat.completions.create({ model, messages, temperature: 9 }), (e) => e.status === 400);
}
console.log("openai, chat: ok");
