// A Worker that makes all the calls, those that work and those that fail.
import { calls } from "./calls.js";
import { failures } from "./failures.js";

export default {
  async fetch(request, env) {
    switch (new URL(request.url).pathname) {
      case "/calls":
        return Response.json(await calls(env));
      case "/failures":
        return Response.json(await failures(env));
      default:
        return new Response("there is nothing here", { status: 404 });
    }
  },
};
