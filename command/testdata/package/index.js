// A Worker that makes all the calls, those that work and those that fail, and measures queries.
import { calls } from "./calls.js";
import { failures } from "./failures.js";
import { latencies } from "./latencies.js";

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/calls":
        return Response.json(await calls(env));
      case "/failures":
        return Response.json(await failures(env));
      case "/about":
        return Response.json(await env.VECTORIZE.describe());
      case "/latencies":
        return Response.json(await latencies((vector) => env.VECTORIZE.query(vector, { topK: 10 }), Number(searchParams.get("count"))));
      default:
        return new Response("there is nothing here", { status: 404 });
    }
  },
};
