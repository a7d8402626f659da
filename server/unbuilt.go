package server

import (
	"strings"

	"nearside/fault"
)

// unbuilt names the Cloudflare APIs below /accounts/{account}/ that nearside does not have.
var unbuilt = map[string]string{
	"ai-gateway":        "AI Gateway beyond gateways, their URLs and their logs",
	"ai-search":         "AI Search",
	"autorag":           "AI Search (AutoRAG)",
	"browser-rendering": "Browser Rendering",
	"calls":             "Realtime",
	"containers":        "Containers",
	"cfd_tunnel":        "Tunnels",
	"d1":                "D1",
	"dispatch":          "Workers for Platforms",
	"durable_objects":   "Durable Objects",
	"email":             "Email Routing",
	"hyperdrive":        "Hyperdrive",
	"images":            "Images",
	"logpush":           "Logpush",
	"logs":              "Logs",
	"mtls_certificates": "mTLS certificates",
	"pages":             "Pages",
	"pipelines":         "Pipelines",
	"queues":            "Queues",
	"r2":                "R2",
	"secrets_store":     "Secrets Store",
	"storage":           "KV",
	"stream":            "Stream",
	"tokens":            "API tokens; nearside has its own keys: nearside keys create",
	"builds":            "Workers Builds",
	"vpc":               "Workers VPC",
	"workers":           "Workers",
	"workflows":         "Workflows",
	"analytics_engine":  "Analytics Engine",
}

// unbuiltAI names the parts of Workers AI that nearside does not have.
var unbuiltAI = map[string]string{
	"v1": "OpenAI-compatible API beyond chat, completions, responses, embeddings and models",
}

// openAIResources are the parts of OpenAI's API that nearside does not have, and
// whose paths look like those of an AI gateway: /v1/{account}/{gateway}.
var openAIResources = map[string]bool{
	"assistants": true, "audio": true, "batches": true, "chat": true, "completions": true, "containers": true, "conversations": true,
	"embeddings": true, "evals": true, "files": true, "fine_tuning": true, "images": true, "models": true, "moderations": true, "organization": true,
	"realtime": true, "responses": true, "threads": true, "uploads": true, "vector_stores": true, "videos": true,
}

// noRoute is the fault of a path no route matches: a Cloudflare API that is not
// built says so, and everything else is unknown.
func noRoute(path string) error {
	if name := unbuiltAt(path); name != "" {
		return &fault.Error{Kind: fault.Unsupported, Reason: reasonNotBuilt,
			Message: "nearside does not have Cloudflare's " + name + "; its README lists what it has"}
	}
	return &fault.Error{Kind: fault.NotFound, Reason: reasonNoRoute, Message: "No route for that URI"}
}

func unbuiltAt(path string) string {
	if rest, ok := strings.CutPrefix(path, "/v1/"); ok {
		account, rest, _ := strings.Cut(rest, "/")
		if strings.Contains(rest, "/") && !openAIResources[account] {
			return "AI Gateway with other providers than workers-ai and compat"
		}
		return "Workers AI " + unbuiltAI["v1"]
	}
	rest, ok := strings.CutPrefix(path, "/client/v4/")
	if !ok {
		return ""
	}
	segments := strings.Split(rest, "/")
	switch {
	case segments[0] == "zones":
		return "Zones"
	case segments[0] != "accounts" || len(segments) < 3:
		return ""
	case segments[2] == "ai" && len(segments) > 3:
		if name := unbuiltAI[segments[3]]; name != "" {
			return "Workers AI " + name
		}
		return ""
	}
	return unbuilt[segments[2]]
}
