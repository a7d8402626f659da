// What the server of these tests has, and what a script saw of it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export const url = process.env.NEARSIDE_URL;
export const spentURL = process.env.NEARSIDE_SPENT_URL; // one whose day's neurons do not suffice for an answer
export const account = `${url}/client/v4/accounts/local`;

// Models, by Cloudflare's names. What they say is fixed.
export const talker = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"; // answers as {response}
export const completer = "@cf/zai-org/glm-4.7-flash"; // answers as OpenAI's chat.completion
export const thinker = "@cf/qwen/qwen3-30b-a3b-fp8";
export const eyes = "@cf/meta/llama-3.2-11b-vision-instruct";
export const caller = "@cf/ibm-granite/granite-4.0-h-micro"; // calls two tools at once, as {response, tool_calls}
export const completeCaller = "@cf/google/gemma-4-26b-a4b-it"; // the same, as chat.completion
export const fragile = "@cf/mistralai/mistral-small-3.1-24b-instruct"; // breaks off in the middle of its first answer to each script
export const responder = "@cf/openai/gpt-oss-20b"; // takes OpenAI's responses on …/ai/run
export const tunable = "@cf/mistral/mistral-7b-instruct-v0.2-lora"; // takes fine-tunes
export const encoder = "@cf/baai/bge-small-en-v1.5";
export const ranker = "@cf/baai/bge-reranker-base";
export const judge = "@cf/huggingface/distilbert-sst-2-int8";
export const summarizer = "@cf/facebook/bart-large-cnn";
export const translator = "@cf/meta/m2m100-1.2b";
export const labeller = "@cf/microsoft/resnet-50";
export const looker = "@cf/llava-hf/llava-1.5-7b-hf";
export const listener = "@cf/openai/whisper"; // takes bytes
export const largeListener = "@cf/openai/whisper-large-v3-turbo"; // takes base64
export const novaListener = "@cf/deepgram/nova-3"; // takes {body, contentType}
export const speaker = "@cf/deepgram/aura-1"; // answers in bytes
export const jsonSpeaker = "@cf/myshell-ai/melotts"; // answers in base64
export const painter = "@cf/stabilityai/stable-diffusion-xl-base-1.0"; // answers in bytes
export const jsonPainter = "@cf/black-forest-labs/flux-1-schnell"; // answers in base64

// What the talker and the completer say: seven tokens with the one that ends it,
// or a call of the tool weather where tools are offered and none has answered yet,
// or JSON where it is asked for.
export const said = "The sky is blue.\n";
export const tokens = 7;
export const spent = /daily free allocation of 10,000 neurons.*of its 1\.000000 neurons/; // Cloudflare's words, and ours
export const json = { answer: "blue" };
export const thought = { reasoning: "Let me see.", said: "It is blue." };
export const whole = "It is whole.";
export const seen = "A red dot.";
export const picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg==";
export const pictureBytes = Buffer.from(picture, "base64");
export const labels = [{ label: "red dot", score: 0.75 }, { label: "pixel", score: 0.25 }];
export const heard = "hello there";
export const sound = Buffer.from("UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAgICAgICAgA==", "base64"); // a millisecond of silence, as WAV

export const question = [{ role: "user", content: "What colour is the sky?" }];
export const weather = {
  name: "weather",
  description: "The weather of a city.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
export const jsonSchema = { type: "object", properties: { answer: { type: "string" } }, required: ["answer"], additionalProperties: false };
export const texts = ["a cat sat on the mat", "the feline rested on the rug", "quarterly tax report"];
export const query = "is the sky blue";
export const contexts = ["taxes are due", "the sky is blue", "the sky"]; // the second is the best, the first the worst

export const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);

// near fails unless vectors of texts say which texts are alike.
export function near([cat, feline, tax]) {
  assert.equal(cat.length, 384);
  assert.ok(Math.abs(dot(cat, cat) - 1) < 1e-4);
  assert.ok(dot(cat, feline) > dot(cat, tax) + 0.2);
}

// isMP3 fails unless the bytes are the sound that every text is read aloud as: 100 frames.
export function isMP3(bytes) {
  assert.deepEqual([...bytes.slice(0, 3)], [0xff, 0xfb, 0x90]);
  assert.equal(bytes.length, 100 * 417);
}

// isPNG fails unless the bytes are a picture of the size.
export function isPNG(bytes, width, height) {
  const file = Buffer.from(bytes);
  assert.equal(file.subarray(1, 4).toString(), "PNG");
  assert.deepEqual([file.readUInt32BE(16), file.readUInt32BE(20)], [width, height]);
}

// frames reads the frames of a stream of events, the last one too.
export async function frames(body) {
  let all = "";
  const decoder = new TextDecoder();
  for await (const bytes of body) all += typeof bytes === "string" ? bytes : decoder.decode(bytes, { stream: true });
  return all.split("\n\n").filter(Boolean).map((frame) => frame.replace(/^data: /, ""));
}

// call fetches, and keeps what the gateway says of its cache.
export const caches = [];
export async function call(address, init) {
  const reply = await fetch(address, init);
  caches.push(reply.headers.get("cf-aig-cache-status"));
  return reply;
}

const worked = [];

// works checks a task; a check that fails ends the script.
export async function works(task, check) {
  try {
    await check();
  } catch (error) {
    console.error(`${task}:`);
    throw error;
  }
  worked.push(task);
}

// version of a package that is installed.
export const version = (packageName) => JSON.parse(readFileSync(`node_modules/${packageName}/package.json`)).version;

// report prints what worked, and with which client.
export const report = (client) => console.log(JSON.stringify({ client, worked }));
