package server

// jsonOnly is the content type of most bodies.
var jsonOnly = []string{typeJSON}

// routes is every route there is. Tests, the README's list and the router are made from it.
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
}
