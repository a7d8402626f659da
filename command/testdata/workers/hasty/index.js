// Calls that nearside answers, each of which would be otherwise on Cloudflare.
const chat = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";
const summarizer = "@cf/meta/llama-3.1-8b-instruct"; // given up

const films = Array.from({ length: 1200 }, (_, i) => ({ id: `${i}`, values: [1, i / 1200, 0], metadata: { genre: "noir", year: 1944 } }));

export default {
  async fetch(request, { VECTORIZE, AI }) {
    const { pathname } = new URL(request.url);
    if (pathname !== "/calls") return new Response(`nothing is at ${pathname}`, { status: 404 });
    await VECTORIZE.upsert(films);
    const found = await VECTORIZE.query([1, 0, 0], { topK: 3 });
    const filtered = await VECTORIZE.query([1, 0, 0], { topK: 3, filter: { year: 1944 } });
    const refused = await VECTORIZE.query([1, 0, 0], { topK: 60, returnMetadata: "all" }).catch(({ message }) => message);
    const said = await AI.run(chat, { messages: [{ role: "user", content: "Which film is it?" }] }, { gateway: { id: "films" } });
    return Response.json({ found: found.count, filtered: filtered.count, refused, said: said.response, summarizer });
  },
};
