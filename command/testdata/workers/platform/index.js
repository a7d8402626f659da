import { calls } from "../calls.js";

export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname !== "/calls") return new Response("there is nothing here", { status: 404 });
    return Response.json({ ...(await calls(env)), greeting: env.GREETING });
  },
};
