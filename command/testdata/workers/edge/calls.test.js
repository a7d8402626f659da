// The same calls in a test that runs within the runtime.
import { env } from "cloudflare:workers";
import { test } from "vitest";
import { calls } from "../calls.js";

test("every call", { timeout: 60_000 }, async () => {
  console.log(JSON.stringify(await calls(env)));
});
