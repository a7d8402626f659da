// Calls that fail, and how: the same in a Worker and elsewhere.
const chat = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";
const listener = "@cf/openai/whisper";
const sound = () => ({ body: new Blob(["x"]).stream(), contentType: "audio/mpeg" });

const wrong = {
  "an index that is gone": ({ GONE }) => GONE.describe(),
  "a vector too short": ({ VECTORIZE }) => VECTORIZE.query([1, 0]),
  "no vector at all": ({ VECTORIZE }) => VECTORIZE.query([]),
  "topK too large": ({ VECTORIZE }) => VECTORIZE.query([1, 0, 0], { topK: 101 }),
  "metadata of no kind": ({ VECTORIZE }) => VECTORIZE.query([1, 0, 0], { returnMetadata: "some" }),
  "an operator of no kind": ({ VECTORIZE }) => VECTORIZE.query([1, 0, 0], { filter: { genre: { $like: "noir" } } }),
  "a record of another length": ({ VECTORIZE }) => VECTORIZE.insert([{ id: "x", values: new Float32Array(2) }]),
  "a record without an id": ({ VECTORIZE }) => VECTORIZE.upsert([{ values: [1, 0, 0] }]),
  "no records": ({ VECTORIZE }) => VECTORIZE.upsert([]),
  "too many ids": ({ VECTORIZE }) => VECTORIZE.getByIds(Array.from({ length: 1000 }, (_, i) => `${i}`)),
  "ids that are none": ({ VECTORIZE }) => VECTORIZE.deleteByIds([1]),

  "a model of no name": ({ AI }) => AI.run("@cf/nobody/nothing", { prompt: "hello" }),
  "an input without a prompt": ({ AI }) => AI.run(chat, { propmt: "hello" }),
  "a stream of a model of no name": ({ AI }) => AI.run("@cf/nobody/nothing", { prompt: "hello", stream: true }),
  "two streams": ({ AI }) => AI.run(listener, { audio: sound(), more: sound() }),
  "a stream of no type": ({ AI }) => AI.run(listener, { audio: { body: sound().body } }),
  "a bare stream": ({ AI }) => AI.run(listener, { audio: sound().body }),
  "a stream to a gateway": ({ AI }) => AI.run(listener, { audio: sound() }, { gateway: { id: "shop" } }),
  "models of no page": ({ AI }) => AI.models({ page: -1 }),
  "a log that is not there": ({ AI }) => AI.gateway("shop").getLog("nothing"),
  "words for a log that is not there": ({ AI }) => AI.gateway("shop").patchLog("nothing", { score: 1 }),
};

// told says all that a program can see of an error.
function told(error, AI) {
  const { name, message, cause } = error;
  const { lastRequestHttpStatusCode: status, lastRequestInternalStatusCode: code } = AI;
  return { name, message, kind: error.constructor.name, cause: cause?.message, status, code };
}

// failures makes every call, and returns how each failed; "" is one that did not.
export async function failures(env) {
  const came = {};
  for (const [name, call] of Object.entries(wrong)) {
    env.AI.lastRequestHttpStatusCode = env.AI.lastRequestInternalStatusCode = null; // of the call before
    try {
      await call(env);
      came[name] = "";
    } catch (error) {
      came[name] = told(error, env.AI);
    }
  }
  return came;
}
