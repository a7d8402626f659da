package server

import (
	"encoding/json"
	"time"

	"nearside/catalog"
	"nearside/vectorize"
)

// keyObject is an API key on the wire; Secret is there once, when it is made.
type keyObject struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	Account    string             `json:"account"`
	Scope      catalog.Permission `json:"scope"`
	Indexes    []string           `json:"indexes,omitempty"`
	Namespaces []string           `json:"namespaces,omitempty"`
	Filter     json.RawMessage    `json:"filter,omitempty"`
	Neurons    int64              `json:"neurons_per_day,omitempty"`
	Prefix     string             `json:"prefix"`
	Created    string             `json:"created_on"`
	Secret     string             `json:"secret,omitempty"`
}

func newKeyObject(k catalog.Key) keyObject {
	return keyObject{ID: k.ID, Name: k.Name, Account: k.Account, Scope: k.Permission, Indexes: k.Indexes,
		Namespaces: k.Namespaces, Filter: k.Filter, Neurons: k.NeuronsPerDay, Prefix: k.Prefix, Created: k.Created.Format(time.RFC3339Nano)}
}

// createKey answers POST …/nearside/keys. The reply holds the secret; nothing else ever will.
func createKey(s *Server, c *call) error {
	var wanted struct {
		Name       string             `json:"name"`
		Scope      catalog.Permission `json:"scope"`
		Indexes    []string           `json:"indexes"`
		Namespaces []string           `json:"namespaces"`
		Filter     json.RawMessage    `json:"filter"`
		Neurons    int64              `json:"neurons_per_day"`
	}
	if err := c.bindExactly(&wanted); err != nil {
		return err
	}
	limits := catalog.Limits{Indexes: wanted.Indexes, Namespaces: wanted.Namespaces}
	if string(wanted.Filter) != "null" {
		limits.Filter = wanted.Filter
	}
	if _, err := vectorize.Within(limits); err != nil {
		return err
	}
	key, secret, err := s.parts.Keys.CreateKey(c, catalog.Key{Account: c.account, Name: wanted.Name, Permission: wanted.Scope, Limits: limits, NeuronsPerDay: wanted.Neurons})
	if err != nil {
		return err
	}
	object := newKeyObject(key)
	object.Secret = secret
	return c.reply(object)
}

// listKeys answers GET …/nearside/keys.
func listKeys(s *Server, c *call) error {
	objects := []keyObject{}
	for _, k := range s.parts.Keys.Keys(c.account) {
		objects = append(objects, newKeyObject(k))
	}
	return c.reply(objects)
}

// revokeKey answers DELETE …/nearside/keys/{key}. Once it has, the key opens nothing.
func revokeKey(s *Server, c *call) error {
	id := c.param("key")
	if err := s.parts.Keys.RevokeKey(c, c.account, id); err != nil {
		return err
	}
	return c.reply(struct {
		ID string `json:"id"`
	}{id})
}
