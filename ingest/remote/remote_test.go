package remote_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/client"
	"nearside/fault"
	"nearside/ingest"
	"nearside/ingest/remote"
)

// liar is a server that answers as it is told, one answer after the other, and then with the last again and again.
type liar struct {
	*httptest.Server

	mu      sync.Mutex
	answers []answer
	asked   []string // method, path, body
}

// answer is one answer of a liar.
type answer struct {
	status int
	body   string
	header map[string]string
	cut    bool // the connection breaks before the answer
}

func ok(result string) answer {
	return answer{status: 200, body: `{"success":true,"errors":[],"messages":[],"result":` + result + `}`}
}

func refused(status int, message string) answer {
	return answer{status: status, body: fmt.Sprintf(`{"success":false,"errors":[{"code":1,"message":%q}],"result":null}`, message)}
}

func lie(t *testing.T, answers ...answer) (*liar, *client.Client) {
	l := &liar{answers: answers}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.asked = append(l.asked, r.Method+" "+r.URL.RequestURI()+" "+string(body))
		a := l.answers[0]
		if len(l.answers) > 1 {
			l.answers = l.answers[1:]
		}
		if a.cut {
			panic(http.ErrAbortHandler)
		}
		for k, v := range a.header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(a.status)
		if _, err := io.WriteString(w, a.body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(l.Close)
	return l, &client.Client{URL: l.URL}
}

func (l *liar) calls() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

const described = `{"name":"docs","config":{"dimensions":384,"metric":"cosine"},"model":"@nearside/all-minilm-l6-v2","fingerprint":"bert:mean:256:abc","embeds":{"model":"@nearside/all-minilm-l6-v2","window":99,"neurons_per_million_tokens":1841}}`

func TestWhatAnIndexIs(t *testing.T) {
	_, c := lie(t, ok(described))
	got, err := remote.Open(c, "docs", remote.Options{}).Describe(t.Context())
	want := ingest.Description{Model: "@nearside/all-minilm-l6-v2", Window: 256, Neurons: 1841, Dimensions: 384}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	_, c = lie(t, ok(`{"name":"docs","config":{"dimensions":4,"metric":"cosine"}}`))
	if _, err := remote.Open(c, "docs", remote.Options{}).Describe(t.Context()); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "takes vectors only") {
		t.Errorf("an index without a model: %v", err)
	}
}

func TestABusyServerIsAskedAgainWhenItSays(t *testing.T) {
	busy := refused(429, "Too Many Requests")
	busy.header = map[string]string{"Retry-After": "1"}
	done := ok(`{"count":1,"tokens":7,"truncated":[{"id":"a","dropped":3}]}`)
	done.header = map[string]string{"cf-ai-neurons": "0.500000"}
	l, c := lie(t, busy, done)
	began := time.Now()
	stored, err := remote.Open(c, "docs", remote.Options{}).Upsert(t.Context(), []ingest.Record{{ID: "a", Text: "<b>", Metadata: json.RawMessage(`{"path":"a"}`)}})
	want := ingest.Stored{Tokens: 7, Neurons: 0.5, Truncated: map[string]int{"a": 3}}
	if err != nil || !reflect.DeepEqual(stored, want) {
		t.Errorf("%+v, %v", stored, err)
	}
	calls := l.calls()
	if len(calls) != 2 || time.Since(began) < time.Second {
		t.Errorf("asked %d times within %v", len(calls), time.Since(began))
	}
	if want := `POST /client/v4/accounts/local/nearside/indexes/docs/texts?reuse=true {"id":"a","text":"<b>","metadata":{"path":"a"}}` + "\n"; calls[0] != want || calls[1] != want {
		t.Errorf("asked %q", calls)
	}
}

func TestAServerThatWentAwayIsWaitedForAndOneThatWasNeverThereIsNot(t *testing.T) {
	_, c := lie(t, ok(described), refused(503, "draining"), answer{cut: true}, ok(`{"missing":["b"]}`))
	var said []string
	target := remote.Open(c, "docs", remote.Options{Log: func(m string) { said = append(said, m) }})
	if _, err := target.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	missing, err := target.Missing(t.Context(), []string{"a", "b"})
	if err != nil || !reflect.DeepEqual(missing, []string{"b"}) {
		t.Errorf("%v, %v", missing, err)
	}
	if len(said) != 2 || !strings.Contains(said[0], "waiting up to 5m") || !strings.Contains(said[0], "draining") || !strings.Contains(said[1], "back") {
		t.Errorf("it said %q", said)
	}

	l, c := lie(t, ok(described))
	l.Close()
	if _, err := remote.Open(c, "docs", remote.Options{}).Describe(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a server that is not there: %v", err)
	}
}

func TestPatienceEnds(t *testing.T) {
	_, c := lie(t, ok(described), refused(503, "gone for good"))
	target := remote.Open(c, "docs", remote.Options{Patience: 300 * time.Millisecond})
	if _, err := target.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := target.Delete(t.Context(), []string{"a"}); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "gone for good") {
		t.Errorf("%v", err)
	}
}

func TestWhatIsRefusedForGoodIsNotAskedAgain(t *testing.T) {
	for status, kind := range map[int]fault.Kind{400: fault.Invalid, 413: fault.TooLarge, 401: fault.Unauthorized, 404: fault.NotFound, 500: fault.Internal} {
		l, c := lie(t, refused(status, "no"))
		_, err := remote.Open(c, "docs", remote.Options{}).Upsert(t.Context(), []ingest.Record{{ID: "a", Text: "a"}})
		if !fault.Is(err, kind) || len(l.calls()) != 1 {
			t.Errorf("%d: %v after %d calls", status, err, len(l.calls()))
		}
	}
}

func TestASecondLoaderIsToldOfTheFirst(t *testing.T) {
	_, c := lie(t, refused(409, `the source "/docs" is being loaded by ingest on north, process 17`))
	_, err := remote.Claim(t.Context(), remote.Open(c, "docs", remote.Options{}), "/docs", "me")
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "ingest on north, process 17") {
		t.Errorf("%v", err)
	}
}

func TestAClaimIsRenewedUntilItIsReleased(t *testing.T) {
	l, c := lie(t, ok(`{"id":3,"claim":"secret"}`), ok(`{"id":3,"claim":"secret"}`))
	m, err := remote.Claim(t.Context(), remote.Open(c, "docs", remote.Options{Renew: time.Millisecond}), "/docs", "me")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(l.calls()) > 3 })
	if err := m.Release(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	calls := l.calls()
	if !strings.Contains(calls[1], `/sources/3/renew {"claim":"secret"}`) || !strings.Contains(calls[len(calls)-1], `/sources/3/release {"claim":"secret","complete":true}`) {
		t.Errorf("asked %q", calls)
	}
}

func TestAClaimThatIsAnothersIsLost(t *testing.T) {
	_, c := lie(t, ok(`{"id":3,"claim":"secret"}`), answer{cut: true}, refused(409, "the claim has ended"))
	m, err := remote.Claim(t.Context(), remote.Open(c, "docs", remote.Options{Renew: time.Millisecond}), "/docs", "me")
	if err != nil {
		t.Fatal(err)
	}
	<-m.Lost()
	if err := m.Release(t.Context(), true); !fault.Is(err, fault.Conflict) {
		t.Errorf("released: %v", err)
	}
}

// A server that was killed after it took the source back, and before it said so, refuses who tries again.
func TestASourceThatWasGivenBackUnheardIsGivenBack(t *testing.T) {
	gone := refused(409, "the claim has ended, and nobody has it now")
	for _, c := range []struct {
		replies []answer
		fails   bool
	}{{[]answer{{cut: true}, gone}, false}, {[]answer{gone}, true}} {
		_, api := lie(t, append([]answer{ok(`{"id":7,"claim":"secret","expires_on":"2026-01-01T00:00:00Z"}`)}, c.replies...)...)
		m, err := remote.Claim(t.Context(), remote.Open(api, "docs", remote.Options{}), "/docs", "me")
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Release(t.Context(), true); (err != nil) != c.fails {
			t.Errorf("%v: released with %v", c.replies, err)
		}
	}
}

func TestItemsComeAndGoWhole(t *testing.T) {
	known := ingest.Known{Path: "a\x00000001", State: ingest.Failed, Size: 3, Modified: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), Digest: "d", Recipe: "r", Records: []string{"x"}, Reason: "no"}
	l, c := lie(t, ok(`{"id":3,"claim":"s"}`), ok(`{"id":3,"claim":"s"}`),
		ok(`[{"path":"a\u0000000001","state":"failed","size":3,"modified_on":"2026-01-02T03:04:05.000006Z","digest":"d","recipe":"r","records":["x"],"reason":"no"}]`), ok(`null`))
	m, err := remote.Claim(t.Context(), remote.Open(c, "docs", remote.Options{}), "/docs", "me")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Put(t.Context(), []ingest.Known{known}, []string{"b"}); err != nil {
		t.Fatal(err)
	}
	got, err := m.Items(t.Context(), "a\x00", 10)
	if err != nil || !reflect.DeepEqual(got, []ingest.Known{known}) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := m.Release(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	calls := l.calls()
	if want := `{"claim":"s","items":[{"path":"a\u0000000001","state":"failed","size":3,"modified_on":"2026-01-02T03:04:05.000006Z","digest":"d","recipe":"r","records":["x"],"reason":"no"}],"remove":["b"]}`; !strings.HasSuffix(calls[1], want) {
		t.Errorf("put %s", calls[1])
	}
	if want := "/sources/3/items?after=a%00&limit=10&records=true "; !strings.HasSuffix(calls[2], want) {
		t.Errorf("asked %s", calls[2])
	}
}

func TestASourceThatIsOnlyLookedAtIsNotClaimed(t *testing.T) {
	l, c := lie(t, ok(`[{"id":1,"name":"other","holder":null},{"id":2,"name":"mine","holder":"x"}]`))
	target := remote.Open(c, "docs", remote.Options{})
	if m, err := remote.Look(t.Context(), target, "none"); err != nil {
		t.Error(err)
	} else if items, err := m.Items(t.Context(), "", 10); err != nil || items != nil {
		t.Errorf("%v, %v", items, err)
	} else if err := errors.Join(m.Put(t.Context(), nil, nil), m.Release(t.Context(), true)); !fault.Is(err, fault.Internal) {
		t.Errorf("it can be changed: %v", err)
	}
	if found, err := remote.Find(t.Context(), target, "mine"); err != nil || found.ID != 2 || found.Holder != "x" {
		t.Errorf("%+v, %v", found, err)
	}
	for _, call := range l.calls() {
		if !strings.HasPrefix(call, "GET ") {
			t.Errorf("asked %s", call)
		}
	}
}

// eventually waits until is true, for half a minute at most.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come to be")
		}
	}
}
