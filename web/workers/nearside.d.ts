// Types of nearside.js. Its objects can be given to whatever takes the Ai and the
// Vectorize of @cloudflare/workers-types. Models are named by strings: which there are
// depends on the server, and so does what comes of them.

/** Where nearside is. What is not said comes from the environment (NEARSIDE_URL, NEARSIDE_ACCOUNT, NEARSIDE_KEY). */
export interface Options {
  /** Address of the server; else http://127.0.0.1:8810. */
  url?: string;
  /** Account on the server; else "local". */
  account?: string;
  /** API key, once the server has keys. */
  key?: string;
  /**
   * Folder of a Workers project, after `nearside dev init`. If neither the options nor the
   * environment say anything, it is the one of the working directory or above, if there is one.
   */
  project?: string;
}

/** A value of a vector's metadata. */
export type MetadataValue = string | number | boolean | string[];

export interface Vector {
  id: string;
  values: number[] | Float32Array | Float64Array;
  namespace?: string;
  metadata?: Record<string, MetadataValue | Record<string, MetadataValue>>;
}

export interface QueryOptions {
  /** At most 100, or 50 with values or all metadata; else 5. */
  topK?: number;
  namespace?: string;
  returnValues?: boolean;
  /** true is "all". */
  returnMetadata?: boolean | "all" | "indexed" | "none";
  /** Conditions on metadata, such as { genre: "noir", year: { $gte: 1944 } }. */
  filter?: object;
}

export interface Match {
  id: string;
  score: number;
  values?: number[];
  namespace?: string;
  metadata?: Record<string, MetadataValue | Record<string, MetadataValue>>;
}

export interface Matches {
  matches: Match[];
  count: number;
}

export interface Mutation {
  mutationId: string;
}

/** What describe tells of an index. The last two are strings; Cloudflare's types have them as numbers. */
export interface IndexInfo {
  dimensions: number;
  vectorCount: number;
  processedUpToDatetime: any;
  processedUpToMutation: any;
}

/** A Vectorize index, like env.VECTORIZE. */
export class Vectorize {
  constructor(index: string, options?: Options);
  describe(): Promise<IndexInfo>;
  query(vector: number[] | Float32Array | Float64Array, options?: QueryOptions): Promise<Matches>;
  queryById(vectorId: string, options?: QueryOptions): Promise<Matches>;
  insert(vectors: Vector[]): Promise<Mutation>;
  upsert(vectors: Vector[]): Promise<Mutation>;
  getByIds(ids: string[]): Promise<(Vector & { values: number[] })[]>;
  deleteByIds(ids: string[]): Promise<Mutation>;
}

export interface GatewayOptions {
  id: string;
  cacheKey?: string;
  cacheTtl?: number;
  skipCache?: boolean;
  metadata?: Record<string, number | string | boolean | null | bigint>;
  collectLog?: boolean;
  eventId?: string;
  requestTimeoutMs?: number;
  retries?: { maxAttempts?: 1 | 2 | 3 | 4 | 5; retryDelayMs?: number; backoff?: "constant" | "linear" | "exponential" };
}

export interface RunOptions {
  gateway?: GatewayOptions;
  /** The Response itself, whatever its status. */
  returnRawResponse?: boolean;
  /** The call is put into a batch, which is asked for by its request_id. */
  queueRequest?: boolean;
  tags?: string[];
  prefix?: string;
  extraHeaders?: object;
  signal?: AbortSignal;
  websocket?: boolean;
}

/** Models, like env.AI. */
export class Ai {
  constructor(options?: Options);
  /** Id of the last call to a model. */
  lastRequestId: string | null;
  /** Id of the log that a gateway made of the last call. */
  aiGatewayLogId: string | null;
  lastRequestHttpStatusCode: number | null;
  lastRequestInternalStatusCode: number | null;

  run(model: string, inputs: object, options: RunOptions & ({ returnRawResponse: true } | { websocket: true })): Promise<Response>;
  run(model: string, inputs: { stream: true }, options?: RunOptions): Promise<ReadableStream<Uint8Array>>;
  run<Output = any>(model: string, inputs: object, options?: RunOptions): Promise<Output>;

  models(params?: ModelsSearch): Promise<Model[]>;
  gateway(id: string): AiGateway;
  toMarkdown(): ToMarkdown;
  toMarkdown(files: Document[], options?: ConversionOptions): Promise<Conversion[]>;
  toMarkdown(files: Document, options?: ConversionOptions): Promise<Conversion>;
  /** A call of the service behind the binding; of the URL, the path and the query count. */
  fetch(input: Request | URL | string, init?: RequestInit): Promise<Response>;

  /** Throws: nearside does not have AutoRAG. */
  autorag(id: string): never;
  /** Throws: nearside does not have AI Search. */
  aiSearch(): never;
  /** Throws: nearside does not search the web. */
  websearch(request: unknown): never;
}

export interface ModelsSearch {
  author?: string;
  hide_experimental?: boolean;
  page?: number;
  per_page?: number;
  search?: string;
  source?: number;
  task?: string;
}

export interface Model {
  id: string;
  source: number;
  name: string;
  description: string;
  task: { id: string; name: string; description: string };
  tags: string[];
  properties: { property_id: string; value: string }[];
}

export interface Document {
  name: string;
  blob: Blob;
}

export interface ConversionOptions {
  gateway?: GatewayOptions;
  extraHeaders?: object;
  conversionOptions?: object;
}

export type Conversion =
  | { id: string; name: string; mimeType: string; format: "markdown" | "text"; tokens: number; data: string }
  | { id: string; name: string; mimeType: string; format: "error"; error: string };

export interface ToMarkdown {
  transform(files: Document[], options?: ConversionOptions): Promise<Conversion[]>;
  transform(files: Document, options?: ConversionOptions): Promise<Conversion>;
  supported(): Promise<{ extension: string; mimeType: string }[]>;
}

export interface GatewayRequest {
  provider: string;
  endpoint: string;
  headers: Record<string, any>;
  query: unknown;
}

export interface AiGateway {
  /** A call of any provider through the gateway; of several, the first that answers. */
  run(
    data: GatewayRequest | GatewayRequest[],
    options?: { gateway?: Partial<GatewayOptions>; extraHeaders?: object; signal?: AbortSignal },
  ): Promise<Response>;
  getUrl(provider?: string): Promise<string>;
  getLog(id: string): Promise<any>;
  patchLog(id: string, data: { score?: number | null; feedback?: -1 | 1 | null; metadata?: object | null }): Promise<void>;
}

/**
 * The bindings of a Workers project after `nearside dev init`, by their names: what its
 * Worker gets as env.
 */
export function bindings<Env = Record<string, any>>(options?: Options): Env;

/** A failure of a model; its name is often "AiError". */
export class InferenceUpstreamError extends Error {}
/** A call of Ai that failed before or beside a model. */
export class AiInternalError extends Error {}
/** A call of a gateway that failed. */
export class AiGatewayInternalError extends Error {}
/** A log that its gateway does not have. */
export class AiGatewayLogNotFound extends Error {}
