// A Miniflare plugin that has nearside answer env.AI and env.VECTORIZE of a Worker
// under `wrangler dev`, getPlatformProxy and whatever else runs Miniflare 4 or 5.
//
// `nearside dev init` writes this file into the folder .nearside of a project, and
// server.json beside it: where nearside listens, and the secret that makes it answer. From
// the package nearside it finds that folder in the working directory or above.
// The Worker gets the runtime's own objects. Only what they call is another service.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

/** What there is for each type of binding: the runtime's module, and what that asks for beside a fetcher. */
const types = {
  ai: { module: "cloudflare-internal:ai-api", asks: () => [] },
  vectorize: {
    module: "cloudflare-internal:vectorize-api",
    asks: ({ index_name }) => [
      { name: "indexId", text: index_name },
      { name: "indexVersion", text: "v2" },
      { name: "useNdJson", json: "true" },
    ],
  },
};

/** The file that `nearside dev init` made for the project. */
function serverFile() {
  const name = "server.json";
  const beside = path.join(__dirname, name);
  if (fs.existsSync(beside)) return beside;
  for (let at = process.cwd(); ; at = path.dirname(at)) {
    const file = path.join(at, ".nearside", name);
    if (fs.existsSync(file) || at === path.dirname(at)) return file;
  }
}

/** Reads where nearside is. It is read anew for each start, so that a new secret needs no new wrangler. */
function server() {
  const file = serverFile();
  try {
    const { url, secret, bindings = {} } = JSON.parse(fs.readFileSync(file, "utf8"));
    return { url: new URL(url), secret, bindings };
  } catch (cause) {
    throw new Error(`${file} does not say where nearside is; in the project's folder run: nearside dev init`, { cause });
  }
}

/**
 * The bindings of a Worker that name the plugin, as [name, options]. Miniflare 4 passes
 * a list of just these, Miniflare 5 the Worker's configuration with all its bindings.
 */
function bindingsOf(plugin, worker) {
  if (Array.isArray(worker)) return worker.map(({ name, options }) => [name, options ?? {}]);
  return Object.entries(worker?.config?.env ?? {})
    .filter(([, binding]) => binding.dev?.plugin?.name === plugin)
    .map(([name, { dev }]) => [name, dev.options ?? {}]);
}

/** Stands before nearside, and says in words that the Worker's author can use when it is not there. */
const doorkeeper = `export default {
  async fetch(request, { nearside, url }) {
    try {
      return await nearside.fetch(request);
    } catch {
      const text = "nearside does not answer at " + url + "; start it with: nearside serve";
      const ai = { internalCode: 3040, name: "AiError", description: text, message: "AiError: " + text };
      const vectorize = { code: 3040, error: text };
      return Response.json({ ...ai, ...vectorize, errors: [{ code: 3040, message: text }] }, { status: 503 });
    }
  },
};`;

/** The services behind a binding: nearside itself, and the doorkeeper, which has the name that is given. */
function services(name, type, resource) {
  const { url, secret } = server();
  const secure = url.protocol === "https:";
  const http = {
    injectRequestHeaders: [
      { name: "X-Binding-Type", value: type },
      { name: "X-Binding-Secret", value: secret },
      { name: "X-Resource-Id", value: encodeURIComponent(resource) },
    ],
  };
  return [
    {
      name,
      worker: {
        compatibilityDate: "2025-01-01",
        modules: [{ name: "doorkeeper.js", esModule: doorkeeper }],
        bindings: [
          { name: "nearside", service: { name: `${name}:nearside` } },
          { name: "url", text: url.origin },
        ],
      },
    },
    {
      name: `${name}:nearside`,
      external: {
        address: `${url.hostname}:${url.port || (secure ? 443 : 80)}`,
        ...(secure ? { https: { options: http, tlsOptions: { trustBrowserCas: true } } } : { http }),
      },
    },
  ];
}

/** What getPlatformProxy needs for a binding: a class of the project's own Miniflare, which lies beside wrangler or within it. */
function nodeBinding() {
  const near = createRequire(path.join(__dirname, "plugin.cjs"));
  for (const find of [() => near, () => createRequire(near.resolve("wrangler")), () => createRequire(process.argv[1])]) {
    try {
      return new (find()("miniflare").ProxyNodeBinding)();
    } catch {
      // not there; the next may be
    }
  }
  throw new Error("nearside finds no miniflare beside this project; install wrangler in it: npm install --save-dev wrangler");
}

function plugin(type) {
  const name = `nearside-${type}`;
  // By resource, not by binding: two Workers of one wrangler may call different indexes the same.
  const service = ({ index_name = "" }) => `${name}:${index_name}`;
  return {
    bindingTypeDescription: `nearside's ${type}`,

    async getBindings(worker) {
      return bindingsOf(name, worker).map(([binding, options]) => ({
        name: binding,
        wrapped: {
          moduleName: types[type].module,
          innerBindings: [{ name: "fetcher", service: { name: service(options) } }, ...types[type].asks(options)],
        },
      }));
    },

    async getNodeBindings(worker) {
      return Object.fromEntries(bindingsOf(name, worker).map(([binding]) => [binding, nodeBinding()]));
    },

    async getServices({ options: worker }) {
      const resources = new Map(bindingsOf(name, worker).map(([, options]) => [service(options), options.index_name ?? ""]));
      return [...resources].flatMap(([name, resource]) => services(name, type, resource));
    },
  };
}

exports.plugins = { "nearside-ai": plugin("ai"), "nearside-vectorize": plugin("vectorize") };

/** The option unsafeBindings of Miniflare, for all that nearside answers in the project. */
exports.unsafeBindings = () =>
  Object.entries(server().bindings).map(([name, { type, ...options }]) => ({
    name,
    type: `nearside_${type}`,
    plugin: { package: __filename, name: `nearside-${type}` },
    options,
  }));
