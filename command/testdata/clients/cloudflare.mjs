// The life of an index through Cloudflare's SDK for JavaScript.
// usage: node cloudflare.mjs PACKAGE INDEX-NAME
import assert from "node:assert/strict";

const [packageName, name] = process.argv.slice(2);
const { default: Cloudflare } = await import(packageName);

const account_id = "local";
const cf = new Cloudflare({ apiToken: "local", maxRetries: 0 });
const indexes = cf.vectorize.indexes;
// Versions 4 and 5 spell it Ids, 7 spells it IDs.
const getByIDs = (indexes.getByIDs ?? indexes.getByIds).bind(indexes);
const deleteByIDs = (indexes.deleteByIDs ?? indexes.deleteByIds).bind(indexes);
const ndjson = (records) => records.map((r) => JSON.stringify(r)).join("\n");

const created = await indexes.create({ account_id, name, config: { dimensions: 3, metric: "cosine" } });
assert.equal(created.name, name);
assert.equal(created.config.dimensions, 3);

const { mutationId } = await indexes.metadataIndex.create(name, { account_id, propertyName: "genre", indexType: "string" });
assert.match(mutationId, /^[0-9a-f-]{36}$/);

const inserted = await indexes.insert(name, {
  account_id,
  body: ndjson([{ id: "a", values: [1, 0, 0], metadata: { genre: "noir" } }, { id: "b", values: [0, 1, 0], metadata: { genre: "drama" } }]),
});
assert.ok(inserted.mutationId);
await indexes.upsert(name, { account_id, body: ndjson([{ id: "c", values: [0.6, 0.8, 0] }]) });

const info = await indexes.info(name, { account_id });
assert.equal(info.vectorCount, 3);

const answer = await indexes.query(name, { account_id, vector: [1, 0, 0], topK: 2, returnMetadata: "all" });
assert.deepEqual(answer.matches.map((m) => m.id), ["a", "c"]);
assert.equal(answer.matches[0].metadata.genre, "noir");
const filtered = await indexes.query(name, { account_id, vector: [1, 0, 0], filter: { genre: "drama" } });
assert.deepEqual(filtered.matches.map((m) => m.id), ["b"]);

const got = await getByIDs(name, { account_id, ids: ["b", "nobody"] });
assert.equal(got.length, 1);

if (indexes.listVectors) {
  const page = await indexes.listVectors(name, { account_id, count: 2 });
  assert.equal(page.totalCount, 3);
  assert.equal(page.isTruncated, true);
}

await deleteByIDs(name, { account_id, ids: ["a"] });
assert.equal((await indexes.info(name, { account_id })).vectorCount, 2);

let listed = 0;
for await (const index of indexes.list({ account_id })) listed += index.name === name ? 1 : 0;
assert.equal(listed, 1);

const metadataIndexes = await indexes.metadataIndex.list(name, { account_id });
assert.deepEqual(metadataIndexes.metadataIndexes.map((m) => [m.propertyName, m.indexType.toLowerCase()]), [["genre", "string"]]);
await indexes.metadataIndex.delete(name, { account_id, propertyName: "genre" });

await assert.rejects(indexes.query(name, { account_id, vector: [1, 0] }), (e) => e.status === 400 && e.errors[0].code === 40006);

await indexes.delete(name, { account_id });
await assert.rejects(indexes.get(name, { account_id }), (e) => e.status === 404 || e.status === 410);
console.log(`${packageName}: ok`);
