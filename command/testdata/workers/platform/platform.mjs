// The same calls by Node, through getPlatformProxy.
import { createRequire } from "node:module";
import { getPlatformProxy } from "wrangler";
import { calls } from "../calls.js";

const { env, dispose } = await getPlatformProxy({ environment: "local", persist: false });
const { version } = createRequire(import.meta.url)("miniflare/package.json");
const lacks = {
  nameless: version.startsWith("4."), // errors are plain ones behind Miniflare 4's proxies
  without: ["AI.toMarkdown, supported"], // a proxy takes toMarkdown for what it was at its first call: a promise
};
console.log(JSON.stringify(await calls({ ...env, ...lacks })));
await dispose();
process.exit(0);
