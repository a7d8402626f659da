// The same calls in a Worker that Miniflare runs, as a library. The word is its package.
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { unsafeBindings } from "nearside/plugin";

const { convertV4MiniflareOptions: convert = (options) => options, Miniflare } = createRequire(import.meta.url)(process.argv[2]);

// The first is the Worker's own module.
const modules = ["index.js", ...readdirSync(".").filter((name) => name.endsWith(".js") && name !== "index.js")];
const miniflare = new Miniflare(
  convert({
    modules: modules.map((name) => ({ type: "ESModule", path: fileURLToPath(new URL(name, import.meta.url)) })),
    compatibilityDate: "2026-01-01",
    compatibilityFlags: ["nodejs_compat"],
    unsafeBindings: unsafeBindings(),
  }),
);
const answer = await miniflare.dispatchFetch("http://worker/calls");
console.log(await answer.text());
await miniflare.dispose();
process.exit(0); // workerd's pipes keep it open otherwise
