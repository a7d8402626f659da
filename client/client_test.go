package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"nearside/client"
	"nearside/fault"
)

func TestRefusalsKeepTheirKindAndMessage(t *testing.T) {
	kinds := map[int]fault.Kind{
		400: fault.Invalid, 401: fault.Unauthorized, 403: fault.Forbidden, 404: fault.NotFound, 409: fault.Conflict, 410: fault.Gone,
		413: fault.TooLarge, 415: fault.Invalid, 500: fault.Internal, 501: fault.Unsupported, 502: fault.Internal, 503: fault.Unavailable,
	}
	for status, kind := range kinds {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, `{"success":false,"errors":[{"code":40006,"message":"too short"}],"messages":[],"result":null}`)
		}))
		err := (&client.Client{URL: s.URL + "/"}).Do(t.Context(), http.MethodGet, "/x", nil, nil)
		if !fault.Is(err, kind) || err.Error() != "too short (code 40006)" {
			t.Errorf("HTTP %d: kind %v, error %q", status, fault.KindOf(err), err)
		}
		s.Close()
	}
}

func TestTheKeyAndTheAccountAreSent(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"result":%q}`, r.URL.EscapedPath()+" "+r.Header.Get("Authorization"))
	}))
	defer s.Close()
	var got string
	c := &client.Client{URL: s.URL, Account: "a/b", Key: "secret"}
	if err := c.Do(t.Context(), http.MethodPost, "/x", map[string]int{"n": 1}, &got); err != nil {
		t.Fatal(err)
	}
	if got != "/client/v4/accounts/a%2Fb/x Bearer secret" {
		t.Errorf("the server saw %q", got)
	}
}

func TestWhatAReplyWarnsOfIsHandedOn(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("nearside-warning", "half a tide")
		}
		fmt.Fprint(w, `{"result":null}`)
	}))
	defer s.Close()
	var warned []string
	c := &client.Client{URL: s.URL, Warn: func(text string) { warned = append(warned, text) }}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if err := c.Do(t.Context(), method, "/x", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(warned) != 1 || warned[0] != "half a tide" {
		t.Errorf("warned of %q", warned)
	}
}

func TestBusyIsTriedAgainWithinReason(t *testing.T) {
	calls := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer s.Close()
	err := (&client.Client{URL: s.URL}).Do(t.Context(), http.MethodGet, "/x", nil, nil)
	if !fault.Is(err, fault.Busy) || calls != 8 {
		t.Errorf("%d calls, error %v", calls, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := (&client.Client{URL: s.URL}).Do(ctx, http.MethodGet, "/x", nil, nil); fault.Is(err, fault.Busy) {
		t.Errorf("a caller who has no more time is told %v", err)
	}
}

func TestNoServerIsSaidWithTheNextStep(t *testing.T) {
	err := (&client.Client{URL: "http://127.0.0.1:1"}).Do(t.Context(), http.MethodGet, "/x", nil, nil)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "nearside serve") {
		t.Errorf("error %v", err)
	}
	if err := (&client.Client{URL: "::"}).Do(t.Context(), http.MethodGet, "/x", nil, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("a URL that is none: %v", err)
	}
}
