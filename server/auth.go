package server

import (
	"context"
	"strings"

	"nearside/catalog"
	"nearside/fault"
)

// Keys is what the server needs to know about API keys; *catalog.Catalog is one.
type Keys interface {
	HasKeys() bool
	Authenticate(secret string) (catalog.Key, bool)
	CreateKey(ctx context.Context, k catalog.Key) (catalog.Key, string, error)
	Keys(account string) []catalog.Key
	RevokeKey(ctx context.Context, account, id string) error
}

// Scope is what a route asks of a key.
type Scope = catalog.Permission

// public routes ask for no key. The others ask for one as soon as any exists.
const (
	public Scope = ""
	read         = catalog.Read
	write        = catalog.Write
	admin        = catalog.Admin
)

// principal is who calls: a key, or, as long as none exists, anybody (the zero value).
type principal struct{ catalog.Key }

// anybody reports whether the call came without a key because none exists.
func (p principal) anybody() bool { return p.ID == "" }

// Reasons of refusals at the door.
const (
	reasonNoKey    fault.Reason = "no_key"
	reasonWrongKey fault.Reason = "wrong_key"
	reasonScope    fault.Reason = "key_scope"
	reasonAccount  fault.Reason = "key_account"
	reasonIndex    fault.Reason = "key_index"
)

// indexParam is the name of the path parameter that holds an index name; keys
// that are limited to some indexes are checked against it here, for every route.
const indexParam = "index"

// admit finds out who calls and whether the route is open to them.
func (s *Server) admit(c *call) error {
	if c.binding != "" {
		return c.permitted() // who calls was found out at the door
	}
	c.account = c.param("account")
	if openAIResources[c.account] && strings.HasPrefix(c.path, "/v1/") {
		return noRoute(c.path) // no account, but a part of OpenAI's API
	}
	if c.account != "" {
		if err := checkAccount(c.account); err != nil {
			return err
		}
	}
	if c.route.BySecret && s.showsSecret(c) {
		return nil
	}
	err := s.findCaller(c)
	switch {
	case c.route.Scope == public:
		return nil
	case err != nil:
		return err
	}
	return c.permitted()
}

// findCaller finds out whose key a call has. It is an error if it needs one and has
// none, or one that does not open the account.
func (s *Server) findCaller(c *call) error {
	if !s.keyed() {
		return nil
	}
	secret := c.secret()
	key, known := s.parts.Keys.Authenticate(secret)
	if known {
		c.key = principal{key}
	}
	switch {
	case secret == "":
		return unauthorized(reasonNoKey)
	case !known:
		return unauthorized(reasonWrongKey)
	case c.account != "" && c.account != key.Account:
		// The same words whether or not the account exists.
		return forbidden(reasonAccount, "this key does not open this account")
	}
	return nil
}

// permitted checks that the caller's key allows the call.
func (c *call) permitted() error {
	switch index := c.param(indexParam); {
	case c.key.anybody():
		return nil
	case !c.key.Permission.Allows(c.route.Scope):
		return forbidden(reasonScope, "this key has the scope "+string(c.key.Permission)+"; the call needs "+string(c.route.Scope))
	case index != "" && !c.key.AllowsIndex(index):
		return forbidden(reasonIndex, "this key does not open this index")
	}
	return nil
}

// keyed reports whether calls need a key: they do once any exists, and, where
// other machines can reach the server, even after the last one was revoked.
func (s *Server) keyed() bool { return s.exposed || s.parts.Keys.HasKeys() }

// secret is the API key the client sent, however it sent it. Behind an AI gateway
// the header Authorization may be meant for somebody else.
func (c *call) secret() string {
	for _, name := range []string{"cf-aig-authorization", "Authorization"} {
		scheme, token, ok := strings.Cut(strings.TrimSpace(c.header(name)), " ")
		if ok && strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(token)
		}
	}
	return strings.TrimSpace(c.header("X-Auth-Key"))
}

func unauthorized(reason fault.Reason) error {
	return &fault.Error{Kind: fault.Unauthorized, Reason: reason, Message: "Authentication error: send a key as `Authorization: Bearer …`; make one with: nearside keys create"}
}

func forbidden(reason fault.Reason, why string) error {
	return &fault.Error{Kind: fault.Forbidden, Reason: reason, Message: "Authentication error: " + why}
}

// maxAccount bounds an account id, in bytes. Cloudflare's have 32.
const maxAccount = 64

// checkAccount refuses what cannot be an account id.
func checkAccount(id string) error {
	if id == "" || len(id) > maxAccount {
		return fault.For(reasonPath, "Could not route to this path, perhaps your object identifier is invalid: an account id has 1 to %d bytes, this one has %d", maxAccount, len(id))
	}
	for _, r := range id {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.", r) {
			return fault.For(reasonPath, "Could not route to this path, perhaps your object identifier is invalid: the account id %s may hold letters, digits, _, - and . only", quoteShort(id))
		}
	}
	return nil
}
