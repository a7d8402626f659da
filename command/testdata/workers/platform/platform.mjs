// The same calls by Node, through getPlatformProxy.
import { createRequire } from "node:module";
import { getPlatformProxy } from "wrangler";
import { calls } from "../calls.js";

const { env, dispose } = await getPlatformProxy({ environment: "local", persist: false });
// Miniflare 4 does not bring the names of errors over.
const { version } = createRequire(import.meta.url)("miniflare/package.json");
console.log(JSON.stringify(await calls({ ...env, nameless: version.startsWith("4.") })));
await dispose();
process.exit(0);
