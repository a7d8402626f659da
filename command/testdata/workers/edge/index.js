import { calls } from "../calls.js";

export default {
  async fetch(request, env) {
    switch (new URL(request.url).pathname) {
      case "/calls":
        return Response.json(await calls(env));
      case "/query":
        return env.VECTORIZE.query([1, 0, 0]).then(
          (found) => Response.json(found),
          (error) => new Response(error.message, { status: 500 }),
        );
      case "/more": // a binding that the project gets later
        return Response.json((await env.MORE?.describe()) ?? "not yet");
    }
    return new Response("there is nothing here", { status: 404 });
  },
};
