package edge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"nearside/fault"
)

// Session is what a client was given bindings for: those of one Worker, in one account.
type Session struct {
	Account  string    `json:"account"`
	Key      string    `json:"key,omitempty"` // the id of the API key that opened it; "" = none was needed
	Ends     time.Time `json:"ends"`          // set by Seal
	Bindings []Binding `json:"bindings"`
}

// Binding is an object in a Worker's env.
type Binding struct {
	Name     string `json:"name"`               // what the Worker calls it
	Type     string `json:"type"`               // "ai", "vectorize", or one that is not answered here
	Resource string `json:"resource,omitempty"` // what it is for, such as the name of an index
}

// Binding returns the binding of a name.
func (s Session) Binding(name string) (Binding, bool) {
	for _, b := range s.Bindings {
		if b.Name == name {
			return b, true
		}
	}
	return Binding{}, false
}

// SessionLife is how long a token is good for. Clients open a new session by themselves within the hour.
const SessionLife = 24 * time.Hour

// MaxToken is the longest token, in bytes. It has to fit into the head of a request twice.
const MaxToken = 6 << 10

// A token is the mark, the session as JSON, a dot, and the proof, both in base64.
const mark = "nse_"

// ReasonToken is a session that is too large for a token.
const ReasonToken fault.Reason = "session_token"

// Seal makes the token of a session, which ends SessionLife from now.
func (e *Edge) Seal(s Session) (string, error) {
	s.Ends = e.now().Add(SessionLife).UTC().Truncate(time.Second)
	body, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	text := mark + base64.RawURLEncoding.EncodeToString(body)
	token := text + "." + e.proof(text)
	if len(token) > MaxToken {
		return "", fault.For(ReasonToken, "the %d bindings of the session need a token of %d bytes; %d are the most. Give the Worker fewer remote bindings, or shorter names", len(s.Bindings), len(token), MaxToken)
	}
	return token, nil
}

// Unseal returns the session of a token that this Edge made and that has not ended.
func (e *Edge) Unseal(token string) (Session, bool) {
	text, proof, _ := strings.Cut(token, ".")
	encoded, marked := strings.CutPrefix(text, mark)
	if !marked || len(token) > MaxToken || !hmac.Equal([]byte(proof), []byte(e.proof(text))) {
		return Session{}, false
	}
	var s Session
	body, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(body, &s) != nil {
		return Session{}, false
	}
	return s, e.now().Before(s.Ends)
}

// proof is what only this Edge can say of a text.
func (e *Edge) proof(text string) string {
	mac := hmac.New(sha256.New, e.signing)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
