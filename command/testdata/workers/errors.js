// How calls fail: the words that the runtime's own objects make of what is answered. They
// are Cloudflare's but for those after the colon that are nearside's own.
const gone = `vectorize.index.deleted - Index name "gone" was deleted`;
const long = (id) => `invalid vector for id="${id}", expected 3 dimensions, and got 2 dimensions`;

/** By what fails: the calls, each with the words of its error. GONE is bound to an index that there is no more. */
export const errors = {
  VECTORIZE: {
    describe: [({ GONE }) => GONE.describe(), `Error: INDEX_GET_ERROR (code = 3005): ${gone}`],
    "query of an index that was deleted": [({ GONE }) => GONE.query([1, 0, 0]), `Error: VECTOR_QUERY_ERROR (code = 3005): ${gone}`],
    query: [({ VECTORIZE }) => VECTORIZE.query([1, 0]), "Error: VECTOR_QUERY_ERROR (code = 40006): invalid query vector, expected 3 dimensions, and got 2 dimensions"],
    insert: [({ VECTORIZE }) => VECTORIZE.insert([{ id: "x", values: [1, 0] }]), `Error: VECTOR_INSERT_ERROR (code = 40012): ${long("x")}`],
    upsert: [({ VECTORIZE }) => VECTORIZE.upsert([{ id: "y", values: [1, 0] }]), `Error: VECTOR_UPSERT_ERROR (code = 40012): ${long("y")}`],
    getByIds: [({ GONE }) => GONE.getByIds(["x"]), `Error: VECTOR_GET_ERROR (code = 3005): ${gone}`],
    deleteByIds: [({ GONE }) => GONE.deleteByIds(["x"]), `Error: VECTOR_DELETE_ERROR (code = 3005): ${gone}`],
  },
  "AI.run": {
    model: [({ AI }) => AI.run("@cf/nobody/nothing", { prompt: "hello" }), "AiError: 5007: No such model @cf/nobody/nothing or task"],
    input: [({ AI }) => AI.run("@cf/baai/bge-small-en-v1.5", { text: 5 }), "AiError: 5006: AiError: AiError: Bad input: Error: oneOf at '/text' not met, 0 matches: Type mismatch of '/text', 'number' not in 'string', Type mismatch of '/text', 'number' not in 'array' (id)"],
    "type of a stream": [({ AI }) => AI.run("@cf/openai/whisper", { audio: { body: new Blob(["sound"]).stream() } }), "AiInternalError: Content-Type is required with ReadableStream inputs"],
  },
  "AI.models": {
    page: [({ AI }) => AI.models({ page: 0 }), 'AiInternalError: the query parameter page is "0"; it must be a whole number from 1 to 1000000'],
  },
};
