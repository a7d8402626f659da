package server

import "nearside/vectorize"

// vectorizeBinding is env.VECTORIZE: the calls of the runtime's module
// cloudflare-internal:vectorize-api. Version 2 leaves the index to the binding; version 1 has
// it in the path. Results are those of the public API without its envelope.
var vectorizeBinding = []Route{
	{Method: "GET", Path: "/info", Handle: forResource(indexParam, indexInfo), Scope: read, Family: vectorizeBound},
	{Method: "POST", Path: "/query", Handle: forResource(indexParam, queryIndex), Scope: read, Family: vectorizeBound, BodyLimit: maxQuery},
	{Method: "POST", Path: "/insert", Handle: forResource(indexParam, insertVectors), Scope: write, Family: vectorizeBound, BodyLimit: vectorize.MaxBody, ContentTypes: uploadTypes},
	{Method: "POST", Path: "/upsert", Handle: forResource(indexParam, upsertVectors), Scope: write, Family: vectorizeBound, BodyLimit: vectorize.MaxBody, ContentTypes: uploadTypes},
	{Method: "POST", Path: "/getByIds", Handle: forResource(indexParam, getVectors), Scope: read, Family: vectorizeBound, BodyLimit: maxIDs},
	{Method: "POST", Path: "/deleteByIds", Handle: forResource(indexParam, deleteVectors), Scope: write, Family: vectorizeBound, BodyLimit: maxIDs},

	{Method: "GET", Path: "/binding/indexes/{index}", Handle: legacyDescribe, Scope: read, Family: vectorizeBound},
	{Method: "POST", Path: "/binding/indexes/{index}/query", Handle: legacyQuery, Scope: read, Family: vectorizeBound, BodyLimit: maxQuery},
	{Method: "POST", Path: "/binding/indexes/{index}/insert", Handle: legacyInsert, Scope: write, Family: vectorizeBound, BodyLimit: vectorize.MaxBody, ContentTypes: uploadTypes},
	{Method: "POST", Path: "/binding/indexes/{index}/upsert", Handle: legacyUpsert, Scope: write, Family: vectorizeBound, BodyLimit: vectorize.MaxBody, ContentTypes: uploadTypes},
	{Method: "POST", Path: "/binding/indexes/{index}/getByIds", Handle: legacyGet, Scope: read, Family: vectorizeBound, BodyLimit: maxIDs},
	{Method: "POST", Path: "/binding/indexes/{index}/deleteByIds", Handle: legacyDelete, Scope: write, Family: vectorizeBound, BodyLimit: maxIDs},
}
