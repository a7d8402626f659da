// env.AI and env.VECTORIZE of a Worker, for programs that are none: Node, Deno, Bun.
//
// Ai and Vectorize do what the objects of the Workers runtime do. They make the same
// calls of nearside, so results and errors are those that a Worker gets. All they need
// is fetch.
//
// Not there: AutoRAG, AI Search and web search, which nearside does not have.

/** Where nearside listens if nobody says otherwise, and whose data it is. */
const home = { url: "http://127.0.0.1:8810", account: "local" };

/** A failure of a model, as the runtime throws it; its name is often "AiError". */
export class InferenceUpstreamError extends Error {
  constructor(message, name = "InferenceUpstreamError") {
    super(message);
    this.name = name;
  }
}

/** A call of Ai that failed before or beside a model. */
export class AiInternalError extends Error {
  name = "AiInternalError";
}

/** A call of a gateway that failed. */
export class AiGatewayInternalError extends Error {
  name = "AiGatewayInternalError";
}

/** A log that its gateway does not have. */
export class AiGatewayLogNotFound extends Error {
  name = "AiGatewayLogNotFound";
}

/** A Vectorize index, like env.VECTORIZE. */
export class Vectorize {
  #call;

  constructor(index, options) {
    if (typeof index !== "string" || index === "") {
      throw new TypeError(`new Vectorize(index): the index is named by a string, not by ${JSON.stringify(index)}`);
    }
    this.#call = caller("vectorize", index, options);
  }

  describe() {
    return this.#answer("INDEX_GET", "info", { method: "GET" });
  }

  async query(vector, options) {
    return this.#query({ vector: numbers(vector) }, options);
  }

  async queryById(vectorId, options) {
    return this.#query({ vectorId }, options);
  }

  insert(vectors) {
    return this.#write("VECTOR_INSERT", "insert", vectors);
  }

  upsert(vectors) {
    return this.#write("VECTOR_UPSERT", "upsert", vectors);
  }

  getByIds(ids) {
    return this.#answer("VECTOR_GET", "getByIds", json({ ids }));
  }

  deleteByIds(ids) {
    return this.#answer("VECTOR_DELETE", "deleteByIds", json({ ids }));
  }

  #query(what, options) {
    const level = options?.returnMetadata;
    if (level && level !== true && !["all", "indexed", "none"].includes(level)) {
      throw new Error(`Invalid returnMetadata option. Expected: true, false, "none", "indexed" or "all"; got: ${level}`);
    }
    const metadata = level === true ? { returnMetadata: "all" } : {};
    return this.#answer("VECTOR_QUERY", "query", json({ ...options, ...metadata, ...what }));
  }

  async #write(operation, path, vectors) {
    const lines = vectors.map((vector) => JSON.stringify({ ...vector, values: numbers(vector.values) }));
    return this.#answer(operation, path, {
      method: "POST",
      body: lines.join("\n"),
      headers: { "content-type": "application/x-ndjson" },
    });
  }

  async #answer(operation, path, init) {
    const response = await this.#call(path, init);
    const text = await response.text();
    if (response.status !== 200) throw vectorizeError(operation, response.status, text);
    return JSON.parse(text);
  }
}

/** What the runtime's object throws for an answer that is none. */
function vectorizeError(operation, status, text) {
  let failure;
  try {
    failure = JSON.parse(text);
  } catch {
    // not from nearside, but from something before it
  }
  if (!failure) return new Error(`${operation}_ERROR: Status + ${status}`, { cause: new Error(`Status ${status}`) });
  const code = typeof failure.code === "number" ? ` (code = ${failure.code})` : "";
  return new Error(`${operation}_ERROR${code}: ${failure.error}`, { cause: new Error(failure.error) });
}

/** Typed arrays have a JSON of their own, which is not that of an array. */
const numbers = (values) => (Array.isArray(values) ? values : Array.from(values));

/** Models, like env.AI. */
export class Ai {
  lastRequestId = null;
  aiGatewayLogId = null;
  lastRequestHttpStatusCode = null;
  lastRequestInternalStatusCode = null;
  #call;

  constructor(options) {
    this.#call = caller("ai", "", options);
  }

  async run(model, inputs, options = {}) {
    const { prefix, extraHeaders, sessionOptions, signal, ...sent } = options;
    this.lastRequestId = "";
    const { path, headers, ...init } = inputOf(inputs, sent);
    const response = await this.#call(path, {
      ...init,
      signal,
      headers: {
        ...sessionOptions?.extraHeaders,
        ...extraHeaders,
        ...headers,
        "cf-consn-sdk-version": "2.0.0",
        "cf-consn-model-id": prefix ? `${prefix}:${model}` : model,
      },
    });
    this.lastRequestId = response.headers.get("cf-ai-req-id");
    this.aiGatewayLogId = response.headers.get("cf-aig-log-id");
    this.lastRequestHttpStatusCode = response.status;
    if (sent.returnRawResponse || sent.websocket) return response;
    if (!response.ok || !response.body) throw this.#failure(await response.text());
    // A stream has another type, and so have pictures and sound.
    return response.headers.get("content-type") === "application/json" ? response.json() : response.body;
  }

  #failure(text) {
    let failure;
    try {
      failure = JSON.parse(text);
    } catch {
      // words, not JSON
    }
    if (failure?.internalCode) {
      this.lastRequestInternalStatusCode = failure.internalCode;
      return new InferenceUpstreamError(`${failure.internalCode}: ${failure.description}`, failure.name);
    }
    const first = failure?.errors?.[0];
    return new InferenceUpstreamError(first ? `${first.code}: ${first.message}` : text);
  }

  async models(params = {}) {
    const query = new URLSearchParams(Object.entries(params).map(([key, value]) => [key, value.toString()]));
    const response = await this.#call(`ai-api/models/search?${query}`, { method: "GET" });
    return resultOf(response, AiInternalError);
  }

  toMarkdown(files, options) {
    const service = new ToMarkdown(this.#call);
    return files ? service.transform(files, options) : service;
  }

  gateway(id) {
    return new AiGateway(this.#call, id);
  }

  /** A call of the binding's service itself; of the URL, the path and the query count. */
  async fetch(input, init) {
    const request = new Request(input, init);
    const { pathname, search } = new URL(request.url);
    const { method, headers, body, signal } = request;
    return this.#call(pathname.slice(1) + search, { method, headers, body, signal });
  }

  getLogs() {
    return [];
  }

  autorag() {
    throw new AiInternalError("nearside does not have AutoRAG");
  }

  aiSearch() {
    throw new AiInternalError("nearside does not have AI Search");
  }

  websearch() {
    throw new AiInternalError("nearside does not search the web");
  }
}

/** How an input is sent: as JSON beside the options, or, if a part of it is a stream, as that, and the rest in the query. */
function inputOf(inputs, options) {
  const isStream = (value) => value instanceof ReadableStream || value instanceof FormData;
  const streams = Object.keys(inputs).filter((key) => isStream(inputs[key]) || isStream(inputs[key]?.body));
  if (options.websocket) {
    return { path: `run?${new URLSearchParams({ version: 3, body: JSON.stringify({ inputs, options }) })}`, method: "GET" };
  }
  if (streams.length === 0) {
    return { path: options.gateway?.id ? "ai-gateway/run?version=3" : "run?version=3", ...json({ inputs, options }) };
  }
  if (streams.length > 1) {
    throw new AiInternalError(`Multiple ReadableStreams are not supported. Found streams in keys: [${streams.join(", ")}]`);
  }
  if (options.gateway?.id) throw new AiInternalError("AI Gateway does not support ReadableStreams yet.");
  const { [streams[0]]: { body, contentType }, ...rest } = inputs;
  if (!contentType) throw new AiInternalError("Content-Type is required with ReadableStream inputs");
  const query = new URLSearchParams({ ...options, version: 3, userInputs: JSON.stringify(rest) });
  return { path: `run?${query}`, method: "POST", body, headers: { "content-type": contentType } };
}

/** Documents made into Markdown. */
class ToMarkdown {
  #call;

  constructor(call) {
    this.#call = call;
  }

  async transform(files, options) {
    const sent = [];
    for (const { name, blob } of Array.isArray(files) ? files : [files]) {
      sent.push({ name, mimeType: blob.type, data: await base64(blob) });
    }
    const { headers, ...init } = json({ files: sent, options });
    const response = await this.#call("to-everything/markdown/transformer", { ...init, headers: { ...options?.extraHeaders, ...headers } });
    const result = await resultOf(response, AiInternalError);
    if (Array.isArray(files)) return result;
    if (!result[0]) throw new AiInternalError("Internal Error Converting files into Markdown");
    return result[0];
  }

  async supported() {
    return resultOf(await this.#call("to-everything/markdown/supported", { method: "GET" }), AiInternalError);
  }
}

/** Encodes what is in a blob. Of the ways there are, this one is in every runtime. */
async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  const piece = 0x8000; // a call takes no more arguments everywhere
  for (let at = 0; at < bytes.length; at += piece) text += String.fromCharCode(...bytes.subarray(at, at + piece));
  return btoa(text);
}

/** A gateway: its URL, its logs, and calls of any provider through it. */
class AiGateway {
  #call;
  #id;

  constructor(call, id) {
    this.#call = call;
    this.#id = id;
  }

  async getUrl(provider = "universal") {
    const { url } = await resultOf(await this.#call(`ai-gateway/gateways/${this.#id}/url/${provider}`, { method: "GET" }), AiGatewayInternalError);
    return url;
  }

  async getLog(log) {
    const result = await this.#log(log, { method: "GET" });
    return { ...result, created_at: new Date(result.created_at) };
  }

  async patchLog(log, data) {
    await this.#log(log, { ...json(data), method: "PATCH" });
  }

  async #log(log, init) {
    const response = await this.#call(`ai-gateway/gateways/${this.#id}/logs/${log}`, init);
    return resultOf(response, response.status === 404 ? AiGatewayLogNotFound : AiGatewayInternalError);
  }

  async run(data, options) {
    const requests = (Array.isArray(data) ? data : [data]).map((request) => ({ ...request, headers: words(request.headers) }));
    return this.#call(`ai-gateway/universal/run/${this.#id}`, {
      method: "POST",
      body: JSON.stringify(requests),
      headers: { "content-type": "application/json", ...gatewayHeaders(options?.gateway), ...options?.extraHeaders },
      signal: options?.signal,
    });
  }
}

/** Headers whose values may be numbers, booleans and objects. */
function words(headers) {
  const word = (value) => (typeof value === "object" && value ? JSON.stringify(value) : ["number", "boolean"].includes(typeof value) ? `${value}` : value);
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, word(value)]));
}

/** What is asked of a gateway, as headers. */
function gatewayHeaders({ skipCache, cacheTtl, metadata, cacheKey, collectLog, eventId, requestTimeoutMs, retries } = {}) {
  const asked = {
    "cf-aig-skip-cache": skipCache,
    "cf-aig-cache-ttl": cacheTtl || undefined,
    "cf-aig-metadata": metadata ? JSON.stringify(metadata) : undefined,
    "cf-aig-cache-key": cacheKey || undefined,
    "cf-aig-collect-log": collectLog,
    "cf-aig-event-id": eventId,
    "cf-aig-request-timeout": requestTimeoutMs,
    "cf-aig-max-attempts": retries?.maxAttempts,
    "cf-aig-retry-delay": retries?.retryDelayMs,
    "cf-aig-backoff": retries?.backoff,
  };
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
}

/** The result in an answer that has an envelope; what went wrong is thrown as an error of the kind. */
async function resultOf(response, Kind) {
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Kind(text);
  }
  if (!response.ok) throw new Kind(answer.errors?.[0]?.message || "Internal Error");
  return answer.result;
}

/** The bindings of the Workers project of this folder, by their names: what its Worker gets as env. */
export function bindings(options) {
  const made = projectOf(options?.project)?.bindings;
  if (!made) throw new Error("no bindings are known of a project in this folder; there, run: nearside dev init");
  return Object.fromEntries(
    Object.entries(made).map(([name, { type, index_name }]) => [name, type === "ai" ? new Ai(options) : new Vectorize(index_name, options)]),
  );
}

const json = (body) => ({ method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });

/** Returns a fetch for the calls of a binding. */
function caller(type, resource, options) {
  const { url, ...opener } = whereabouts(options);
  if (!URL.canParse(url) || !/^https?:/i.test(url)) {
    throw new TypeError(`nearside is at no such address as ${url}; write one like ${home.url}`);
  }
  const base = new URL(url.endsWith("/") ? url : `${url}/`);
  const door = { ...opener, "x-binding-type": type, "x-resource-id": encodeURIComponent(resource) };
  return async (path, init) => {
    const headers = new Headers(init.headers);
    for (const [name, value] of Object.entries(door)) headers.set(name, value);
    const target = new URL(path, base);
    const duplex = init.body instanceof ReadableStream ? { duplex: "half" } : {};
    try {
      return await fetch(target, { ...init, ...duplex, headers });
    } catch (cause) {
      if (init.signal?.aborted) throw cause;
      return absent(base.origin, cause);
    }
  };
}

/** What a Worker is answered when nearside is not there. */
function absent(origin, cause) {
  const why = cause?.cause?.message || cause?.message || "";
  const known = why === "" || /refused|unable to connect|fetch failed/i.test(why);
  const text = `nearside does not answer at ${origin}; start it with: nearside serve${known ? "" : ` (${why})`}`;
  const ai = { internalCode: 3040, name: "AiError", description: text, message: `AiError: ${text}` };
  const vectorize = { code: 3040, error: text };
  return Response.json({ ...ai, ...vectorize, errors: [{ code: 3040, message: text }] }, { status: 503 });
}

/**
 * Where nearside is, and the headers that open it. If neither the options nor the
 * environment say anything, that is the Workers project of this folder, if it is one.
 */
function whereabouts({ url = setting("URL"), account = setting("ACCOUNT"), key = setting("KEY"), project } = {}) {
  const said = url || account || key;
  const known = project || !said ? projectOf(project) : undefined;
  if (known) return { url: known.url, "x-binding-secret": known.secret };
  const opener = { url: url || home.url, "x-binding-account": account || home.account };
  return key ? { ...opener, authorization: `Bearer ${key}` } : opener;
}

/** A variable of the environment, where there is one. */
const setting = (name) => globalThis.process?.env?.[`NEARSIDE_${name}`];

/**
 * What `nearside dev init` wrote for the project of a folder, or for the one of the
 * working directory or above; undefined if there is none.
 */
function projectOf(folder) {
  const process = globalThis.process;
  if (!process?.getBuiltinModule) return undefined; // a browser: it has no folders
  const [fs, path] = ["node:fs", "node:path"].map((name) => process.getBuiltinModule(name));
  for (let at = path.resolve(folder ?? "."); ; at = path.dirname(at)) {
    const file = path.join(at, ".nearside", "server.json");
    if (fs.existsSync(file)) return JSON.parse(fs.readFileSync(file, "utf8"));
    if (folder) throw new Error(`${file} is not there; in that folder run: nearside dev init`);
    if (at === path.dirname(at)) return undefined;
  }
}
