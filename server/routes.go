package server

import (
	"nearside/bulk"
	"nearside/vectorize"
)

// Body limits that several routes share.
const (
	maxSmall = 64 << 10 // a few fields
	maxQuery = 1 << 20  // 1,536 numbers of any length, and a filter
	maxIDs   = 16 << 20 // as many ids as --relaxed allows

	maxBatchBody = 16 << 20 // a hundred queries, each longer than any client writes it
)

// uploadTypes are the content types of a batch of vectors.
var uploadTypes = []string{typeNDJSON, typeJSON, typeMultipart, bulk.ContentType}

// jsonOnly is the content type of most bodies.
var jsonOnly = []string{typeJSON}

// routes is every route there is. The router, the tests and docs/routes.md are made from it.
//
// An index name is {index} in every path: keys limited to some indexes are checked against it.
var routes = []Route{
	// The server itself.
	{Method: "GET", Path: "/health", Handle: showHealth, Unqueued: true},
	{Method: "GET", Path: "/metrics", Handle: showMetrics, Scope: read, Unqueued: true},

	// Who am I?
	{Method: "GET", Path: "/client/v4/user", Handle: showUser, Scope: read},
	{Method: "GET", Path: "/client/v4/user/tokens/verify", Handle: verifyToken, Scope: read},
	{Method: "GET", Path: "/client/v4/memberships", Handle: listMemberships, Scope: read},
	{Method: "GET", Path: "/client/v4/accounts", Handle: listAccounts, Scope: read},
	{Method: "GET", Path: "/client/v4/accounts/{account}", Handle: showAccount, Scope: read},

	// Keys.
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/keys", Handle: createKey, Scope: admin, Family: nearsideAPI, BodyLimit: 64 << 10, ContentTypes: jsonOnly},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/keys", Handle: listKeys, Scope: admin, Family: nearsideAPI},
	{Method: "DELETE", Path: "/client/v4/accounts/{account}/nearside/keys/{key}", Handle: revokeKey, Scope: admin, Family: nearsideAPI},

	// Workers projects, whose bindings are answered.
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/projects", Handle: createProject, Scope: admin, Family: nearsideAPI, BodyLimit: maxSmall, ContentTypes: jsonOnly},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/projects", Handle: listProjects, Scope: admin, Family: nearsideAPI},
	{Method: "DELETE", Path: "/client/v4/accounts/{account}/nearside/projects/{project}", Handle: deleteProject, Scope: admin, Family: nearsideAPI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/projects/{project}/traffic", Handle: showTraffic, Scope: admin, BySecret: true, Family: nearsideAPI},
	{Method: "DELETE", Path: "/client/v4/accounts/{account}/nearside/projects/{project}/traffic", Handle: forgetTraffic, Scope: admin, BySecret: true, Family: nearsideAPI},

	// A remote session of wrangler, whose bindings the Workers edge answers.
	{Method: "GET", Path: "/client/v4/accounts/{account}/workers/subdomain", Handle: showSubdomain, Scope: read},
	{Method: "GET", Path: "/client/v4/accounts/{account}/workers/subdomain/edge-preview", Handle: beginSession, Scope: read},
	{Method: "POST", Path: "/client/v4/accounts/{account}/workers/scripts/{worker}/edge-preview", Handle: openSession, Scope: read, BodyLimit: maxSession, ContentTypes: []string{typeMultipart}},

	// Vectorize.
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes", Handle: createIndex, Scope: admin, Family: vectorizeAPI, BodyLimit: maxSmall},
	{Method: "GET", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes", Handle: listIndexes, Scope: read, Family: vectorizeAPI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}", Handle: describeIndex, Scope: read, Family: vectorizeAPI},
	{Method: "DELETE", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}", Handle: deleteIndex, Scope: admin, Family: vectorizeAPI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/info", Handle: indexInfo, Scope: read, Family: vectorizeAPI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/insert", Handle: insertVectors, Scope: write, Family: vectorizeAPI, BodyLimit: vectorize.MaxBody, ContentTypes: uploadTypes},
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/upsert", Handle: upsertVectors, Scope: write, Family: vectorizeAPI, BodyLimit: vectorize.MaxBody, ContentTypes: uploadTypes},
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/query", Handle: queryIndex, Scope: read, Family: vectorizeAPI, BodyLimit: maxQuery, ContentTypes: jsonOnly},
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/get_by_ids", Handle: getVectors, Scope: read, Family: vectorizeAPI, BodyLimit: maxIDs},
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/delete_by_ids", Handle: deleteVectors, Scope: write, Family: vectorizeAPI, BodyLimit: maxIDs},
	{Method: "GET", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/list", Handle: listVectors, Scope: read, Family: vectorizeAPI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/metadata_index/create", Handle: createMetadataIndex, Scope: write, Family: vectorizeAPI, BodyLimit: maxSmall},
	{Method: "GET", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/metadata_index/list", Handle: listMetadataIndexes, Scope: read, Family: vectorizeAPI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/metadata_index/list", Handle: listMetadataIndexes, Scope: read, Family: vectorizeAPI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/metadata_index/delete", Handle: deleteMetadataIndex, Scope: write, Family: vectorizeAPI, BodyLimit: maxSmall},

	// Vectorize v1.
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/indexes", Handle: legacyCreate, Scope: admin, Family: vectorizeAPI, BodyLimit: maxSmall},
	{Method: "GET", Path: "/client/v4/accounts/{account}/vectorize/indexes", Handle: legacyList, Scope: read, Family: vectorizeAPI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/vectorize/indexes/{index}", Handle: legacyDescribe, Scope: read, Family: vectorizeAPI},
	{Method: "PUT", Path: "/client/v4/accounts/{account}/vectorize/indexes/{index}", Handle: legacyUpdate, Scope: admin, Family: vectorizeAPI, BodyLimit: maxSmall},
	{Method: "DELETE", Path: "/client/v4/accounts/{account}/vectorize/indexes/{index}", Handle: deleteIndex, Scope: admin, Family: vectorizeAPI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/indexes/{index}/insert", Handle: legacyInsert, Scope: write, Family: vectorizeAPI, BodyLimit: vectorize.MaxBody, ContentTypes: uploadTypes},
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/indexes/{index}/upsert", Handle: legacyUpsert, Scope: write, Family: vectorizeAPI, BodyLimit: vectorize.MaxBody, ContentTypes: uploadTypes},
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/indexes/{index}/query", Handle: legacyQuery, Scope: read, Family: vectorizeAPI, BodyLimit: maxQuery, ContentTypes: jsonOnly},
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/indexes/{index}/get-by-ids", Handle: legacyGet, Scope: read, Family: vectorizeAPI, BodyLimit: maxIDs},
	{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/indexes/{index}/delete-by-ids", Handle: legacyDelete, Scope: write, Family: vectorizeAPI, BodyLimit: maxIDs},

	// Indexes, beyond Cloudflare.
	{Method: "DELETE", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}", Handle: deleteIndex, Scope: admin, Family: nearsideAPI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/snapshot", Handle: streamSnapshot, Scope: admin, Family: nearsideAPI},
	{Method: "PUT", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/snapshot", Handle: putSnapshot, Scope: admin, Family: nearsideAPI, BodyLimit: maxSnapshot, Bulk: true, ContentTypes: []string{typeSnapshot}},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/snapshots", Handle: createSnapshot, Scope: admin, Family: nearsideAPI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/snapshots", Handle: listSnapshots, Scope: admin, Family: nearsideAPI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/snapshots/{snapshot}", Handle: getSnapshot, Scope: admin, Family: nearsideAPI},
	{Method: "DELETE", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/snapshots/{snapshot}", Handle: deleteSnapshot, Scope: admin, Family: nearsideAPI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/snapshots/{snapshot}/verify", Handle: verifySnapshot, Scope: admin, Family: nearsideAPI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/snapshots/{snapshot}/restore", Handle: restoreSnapshot, Scope: admin, Family: nearsideAPI},

	// Workers AI.
	{Method: "POST", Path: "/client/v4/accounts/{account}/ai/run/{model...}", Handle: runModel, Scope: read, Family: workersAI, BodyLimit: maxMediaInput, Reaches: true},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai/models/search", Handle: searchModels, Scope: read, Family: workersAI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai/models/schema", Handle: showModelSchema, Scope: read, Family: workersAI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai/tasks/search", Handle: searchTasks, Scope: read, Family: workersAI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai/authors/search", Handle: searchAuthors, Scope: read, Family: workersAI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai/finetunes", Handle: listFinetunes, Scope: read, Family: workersAI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/ai/finetunes", Handle: createFinetune, Scope: write, Family: workersAI, BodyLimit: maxSmall},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai/finetunes/public", Handle: listPublicFinetunes, Scope: read, Family: workersAI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/ai/finetunes/{finetune}/finetune-assets", Handle: uploadFinetune, Scope: write, Family: workersAI, BodyLimit: maxFinetuneAsset, Bulk: true},
	// The same, as Cloudflare's documentation writes them.
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai/finetunes/", Handle: listFinetunes, Scope: read, Family: workersAI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/ai/finetunes/", Handle: createFinetune, Scope: write, Family: workersAI, BodyLimit: maxSmall},
	{Method: "POST", Path: "/client/v4/accounts/{account}/ai/finetunes/{finetune}/finetune-assets/", Handle: uploadFinetune, Scope: write, Family: workersAI, BodyLimit: maxFinetuneAsset, Bulk: true},
	{Method: "DELETE", Path: "/client/v4/accounts/{account}/nearside/finetunes/{finetune}", Handle: removeFinetune, Scope: write, Family: nearsideAPI},

	{Method: "POST", Path: "/client/v4/accounts/{account}/ai/tomarkdown", Handle: toMarkdown, Scope: read, Family: workersAI, BodyLimit: maxMediaInput, Reaches: true},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai/tomarkdown/supported", Handle: supportedTypes, Scope: read, Family: workersAI},

	// The OpenAI-compatible half, also for the default account.
	{Method: "POST", Path: "/client/v4/accounts/{account}/ai/v1/chat/completions", Handle: callOpenAI("chat/completions"), Scope: read, Family: workersAI, BodyLimit: maxModelInput, Reaches: true},
	{Method: "POST", Path: "/client/v4/accounts/{account}/ai/v1/completions", Handle: callOpenAI("completions"), Scope: read, Family: workersAI, BodyLimit: maxModelInput, Reaches: true},
	{Method: "POST", Path: "/client/v4/accounts/{account}/ai/v1/responses", Handle: callOpenAI("responses"), Scope: read, Family: workersAI, BodyLimit: maxModelInput, Reaches: true},
	{Method: "POST", Path: "/client/v4/accounts/{account}/ai/v1/embeddings", Handle: callOpenAI("embeddings"), Scope: read, Family: workersAI, BodyLimit: maxModelInput, Reaches: true},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai/v1/models", Handle: listOpenAIModels, Scope: read, Family: workersAI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai/v1/models/{model...}", Handle: showOpenAIModel, Scope: read, Family: workersAI},
	{Method: "POST", Path: "/v1/chat/completions", Handle: callOpenAI("chat/completions"), Scope: read, Family: workersAI, BodyLimit: maxModelInput, Reaches: true},
	{Method: "POST", Path: "/v1/completions", Handle: callOpenAI("completions"), Scope: read, Family: workersAI, BodyLimit: maxModelInput, Reaches: true},
	{Method: "POST", Path: "/v1/responses", Handle: callOpenAI("responses"), Scope: read, Family: workersAI, BodyLimit: maxModelInput, Reaches: true},
	{Method: "POST", Path: "/v1/embeddings", Handle: callOpenAI("embeddings"), Scope: read, Family: workersAI, BodyLimit: maxModelInput, Reaches: true},
	{Method: "GET", Path: "/v1/models", Handle: listOpenAIModels, Scope: read, Family: workersAI},
	{Method: "GET", Path: "/v1/models/{model...}", Handle: showOpenAIModel, Scope: read, Family: workersAI},

	// AI Gateway, at the paths of gateway.ai.cloudflare.com, and its logs.
	{Method: "POST", Path: "/v1/{account}/{gateway}", Handle: callUniversal, Scope: read, Family: workersAI, BodyLimit: maxModelInput, Reaches: true},
	{Method: "POST", Path: "/v1/{account}/{gateway}/workers-ai/{endpoint...}", Handle: callProvider(workersAIProvider), Scope: read, Family: workersAI, BodyLimit: maxMediaInput, Reaches: true},
	{Method: "POST", Path: "/v1/{account}/{gateway}/compat/{endpoint...}", Handle: callProvider(compatProvider), Scope: read, Family: workersAI, BodyLimit: maxModelInput, Reaches: true},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai-gateway/gateways", Handle: listGateways, Scope: read},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}", Handle: showGateway, Scope: read},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/logs", Handle: listGatewayLogs, Scope: read},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/logs/{log}", Handle: showGatewayLog, Scope: read},
	{Method: "PATCH", Path: "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/logs/{log}", Handle: patchGatewayLog, Scope: write, BodyLimit: maxSmall},
	{Method: "GET", Path: "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/url/{provider}", Handle: showGatewayURL, Scope: read},

	// Records, beyond Cloudflare.
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/query", Handle: queryNearside, Scope: read, Family: nearsideAPI, BodyLimit: maxQuery, ContentTypes: jsonOnly},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/count", Handle: countRecords, Scope: read, Family: nearsideAPI, BodyLimit: maxIDs, ContentTypes: jsonOnly},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/list", Handle: listRecords, Scope: read, Family: nearsideAPI, BodyLimit: maxIDs, ContentTypes: jsonOnly},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/facets", Handle: showFacets, Scope: read, Family: nearsideAPI, BodyLimit: maxIDs, ContentTypes: jsonOnly},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/delete", Handle: deleteRecords, Scope: write, Family: nearsideAPI, BodyLimit: maxIDs, ContentTypes: jsonOnly},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/metadata", Handle: updateRecords, Scope: write, Family: nearsideAPI, BodyLimit: maxIDs, ContentTypes: jsonOnly},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/missing", Handle: missingIDs, Scope: read, Family: nearsideAPI, BodyLimit: maxIDs, ContentTypes: jsonOnly},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/get", Handle: getWhole, Scope: read, Family: nearsideAPI, BodyLimit: maxIDs, ContentTypes: jsonOnly},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/records", Handle: putWhole, Scope: write, Family: nearsideAPI, BodyLimit: vectorize.MaxBody, ContentTypes: uploadTypes},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/query-batch", Handle: queryBatch, Scope: read, Family: nearsideAPI, BodyLimit: maxBatchBody, ContentTypes: jsonOnly},

	// Text in, text out.
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes", Handle: createTextIndex, Scope: admin, Family: nearsideAPI, BodyLimit: 64 << 10, ContentTypes: jsonOnly, Reaches: true},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/indexes", Handle: listTextIndexes, Scope: read, Family: nearsideAPI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}", Handle: describeTextIndex, Scope: read, Family: nearsideAPI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/texts", Handle: upsertTexts, Scope: write, Family: nearsideAPI, BodyLimit: maxTexts, ContentTypes: textTypes, Reaches: true},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/search", Handle: searchTexts, Scope: read, Family: nearsideAPI, BodyLimit: 256 << 10, ContentTypes: jsonOnly, Reaches: true},

	// What loaders remember.
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/sources", Handle: claimSource, Scope: write, Family: nearsideAPI, BodyLimit: maxSmall, ContentTypes: jsonOnly},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/sources", Handle: listSources, Scope: read, Family: nearsideAPI},
	{Method: "DELETE", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/sources/{source}", Handle: forgetSource, Scope: write, Family: nearsideAPI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/sources/{source}/items", Handle: listItems, Scope: read, Family: nearsideAPI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/sources/{source}/items", Handle: changeItems, Scope: write, Family: nearsideAPI, BodyLimit: maxSourceItems, ContentTypes: jsonOnly},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/sources/{source}/renew", Handle: renewClaim, Scope: write, Family: nearsideAPI, BodyLimit: maxSmall, ContentTypes: jsonOnly},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/sources/{source}/release", Handle: releaseClaim, Scope: write, Family: nearsideAPI, BodyLimit: maxSmall, ContentTypes: jsonOnly},

	// Files that are uploaded, and what takes longer than a call.
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/files", Handle: uploadFiles, Scope: write, Family: nearsideAPI, BodyLimit: maxFilesBody, Bulk: true, Reaches: true},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/files", Handle: listFiles, Scope: read, Family: nearsideAPI},
	{Method: "DELETE", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/files", Handle: removeFile, Scope: write, Family: nearsideAPI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/jobs", Handle: listJobs, Scope: read, Family: nearsideAPI},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/jobs/{job}", Handle: showJob, Scope: read, Family: nearsideAPI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/jobs/{job}/cancel", Handle: cancelJob, Scope: write, Family: nearsideAPI},

	// An index gets other weights while it serves; what it was before is kept.
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/reembed", Handle: reembedIndex, Scope: admin, Family: nearsideAPI, BodyLimit: maxSmall, ContentTypes: jsonOnly, Reaches: true},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/reembed", Handle: showReembedding, Scope: read, Family: nearsideAPI},
	{Method: "DELETE", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/reembed", Handle: cancelReembedding, Scope: admin, Family: nearsideAPI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/previous/restore", Handle: restorePrevious, Scope: admin, Family: nearsideAPI},
	{Method: "DELETE", Path: "/client/v4/accounts/{account}/nearside/indexes/{index}/previous", Handle: dropPrevious, Scope: admin, Family: nearsideAPI},

	// Models, beyond Cloudflare.
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/models", Handle: listServedModels, Scope: read, Family: nearsideAPI},
	{Method: "POST", Path: "/client/v4/accounts/{account}/nearside/models/switch", Handle: switchModel, Scope: admin, Family: nearsideAPI, BodyLimit: 64 << 10, ContentTypes: jsonOnly},
	{Method: "GET", Path: "/client/v4/accounts/{account}/nearside/usage", Handle: showUsage, Scope: read, Family: nearsideAPI},
}
