// An object like env.AI, over REST: results without their envelope, a stream or
// bytes as a ReadableStream, failures as InferenceUpstreamError with code and words.
import { call } from "./house.mjs";

export const binding = (url) => ({
  async run(model, inputs, options = {}) {
    const { gateway, extraHeaders, returnRawResponse, signal, prefix, sessionOptions, ...rest } = options;
    const query = new URLSearchParams(Object.entries(rest).filter(([, value]) => value !== undefined));
    const reply = await call(`${url}/client/v4/accounts/local/ai/run/${model}?${query}`, {
      method: "POST",
      headers: { authorization: "Bearer local", "content-type": "application/json", ...extraHeaders },
      body: JSON.stringify(gateway ? { ...inputs, options: { gateway } } : inputs),
      signal,
    });
    if (!reply.ok) {
      const { errors } = await reply.json();
      const error = new Error(`${errors[0].code}: ${errors[0].message}`);
      error.name = "InferenceUpstreamError";
      throw error;
    }
    if (reply.headers.get("content-type") !== "application/json") return reply.body; // the binding looks no closer
    return (await reply.json()).result;
  },
});
