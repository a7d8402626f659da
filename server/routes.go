package server

// routes is every route there is. Tests, the README's list and the router are made from it.
//
// An index name is {index} in every path: keys limited to some indexes are checked against it.
var routes = []Route{
	// The server itself.
	{Method: "GET", Path: "/health", Handle: showHealth, Unqueued: true},
	{Method: "GET", Path: "/metrics", Handle: showMetrics, Scope: read, Unqueued: true},
}
