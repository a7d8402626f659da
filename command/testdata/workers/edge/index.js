import { calls } from "../calls.js";

export default {
  async fetch(request, env) {
    switch (new URL(request.url).pathname) {
      case "/calls":
        return Response.json(await calls(env));
      case "/query":
        return Response.json(await env.VECTORIZE.query([1, 0, 0]));
    }
    return new Response("there is nothing here", { status: 404 });
  },
};
