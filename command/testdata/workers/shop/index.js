import { EmailMessage } from "cloudflare:email";
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import { calls } from "../calls.js";

export class Auth extends WorkerEntrypoint {
  fetch() {
    return new Response(`fetched, ${this.env.GREETING}`);
  }
  who(name) {
    return `${name} is known`;
  }
}

export class Counter extends DurableObject {
  async add(n) {
    this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS sums (n INTEGER)");
    this.ctx.storage.sql.exec("INSERT INTO sums VALUES (?)", n);
    await this.ctx.storage.setAlarm(Date.now());
    return this.ctx.storage.sql.exec("SELECT sum(n) AS n FROM sums").one().n;
  }
  async alarm() {
    await this.env.KV.put("alarm", "rang");
  }
}

const letter = "From: shop@example.com\r\nTo: ada@example.com\r\nMessage-ID: <7@example.com>\r\nSubject: Order 7\r\n\r\nIt is on its way.\r\n";

// becomes waits for a key that another part of the Worker writes.
async function becomes(kv, key) {
  for (let i = 0; i < 200; i++) {
    const value = await kv.get(key);
    if (value !== null) return value;
    await scheduler.wait(50);
  }
  throw new Error(`nothing wrote ${key}`);
}

// everythingElse uses all but AI and VECTORIZE, and tells what came of it.
async function everythingElse(env) {
  await env.KV.put("k", "kept");
  await env.QUEUE.send({ order: 7 });
  await env.DB.exec("CREATE TABLE IF NOT EXISTS goods (name TEXT)");
  await env.DB.prepare("INSERT INTO goods VALUES (?)").bind("lamp").run();
  await env.BUCKET.put("goods/lamp", "it shines");
  const counter = env.COUNTER.getByName("one");
  return {
    vars: [env.GREETING, env.LIMITS],
    secret: env.SECRET,
    defined: DEFINED,
    service: [await (await env.AUTH.fetch("http://auth/")).text(), await env.AUTH.who("Ada")],
    durable: [await counter.add(2), await counter.add(3)],
    object: env.COUNTER.idFromName("one").toString(), // depends on the Worker's name
    alarm: await becomes(env.KV, "alarm"),
    kv: await env.KV.get("k"),
    d1: await env.DB.prepare("SELECT name FROM goods").all().then(({ results }) => results),
    r2: await (await env.BUCKET.get("goods/lamp")).text(),
    queue: await becomes(env.KV, "order"),
    cron: await becomes(env.KV, "cron"),
    hyperdrive: [env.HYPERDRIVE.user, env.HYPERDRIVE.database],
    analytics: env.EVENTS.writeDataPoint({ blobs: ["sold"], doubles: [7] }) ?? "written",
    ratelimit: [await env.LIMIT.limit({ key: "Ada" }), await env.LIMIT.limit({ key: "Ada" })],
    email: await env.MAIL.send(new EmailMessage("shop@example.com", "ada@example.com", letter)).then(() => "sent"),
    browser: typeof env.BROWSER.fetch, // to use it, wrangler fetches a Chrome
    assets: await (await env.ASSETS.fetch("http://assets/hello.txt")).text(),
  };
}

export default {
  async fetch(request, env) {
    switch (new URL(request.url).pathname) {
      case "/else":
        return Response.json(await everythingElse(env));
      case "/query":
        return env.VECTORIZE.describe().then(
          (about) => Response.json(about),
          (error) => new Response(error.message, { status: 500 }),
        );
      case "/calls":
        return Response.json(await calls(env));
    }
    return new Response("there is nothing here", { status: 404 });
  },
  async queue(batch, env) {
    await env.KV.put("order", JSON.stringify(batch.messages[0].body));
  },
  async scheduled(event, env) {
    await env.KV.put("cron", event.cron);
  },
};
