// Queries by a program beside a Worker: by the package, or, with the address of an index, by REST.
import { Vectorize } from "nearside";
import { latencies } from "./latencies.js";

const [count, address] = process.argv.slice(2);
const index = new Vectorize("docs");

async function byAddress(vector) {
  const response = await fetch(`${address}/query`, {
    method: "POST",
    body: JSON.stringify({ vector, topK: 10 }),
    headers: { "content-type": "application/json" },
  });
  return (await response.json()).result;
}

console.log(JSON.stringify(await latencies(address ? byAddress : (vector) => index.query(vector, { topK: 10 }), Number(count))));
