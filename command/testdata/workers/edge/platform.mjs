// The same calls by Node, through getPlatformProxy.
import { getPlatformProxy } from "wrangler";
import { calls } from "../calls.js";

const { env, dispose } = await getPlatformProxy({ persist: false });
console.log(JSON.stringify(await calls(env)));
await dispose();
process.exit(0);
