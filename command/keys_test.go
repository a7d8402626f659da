package command_test

import (
	"strings"
	"testing"

	"nearside/client"
)

func TestARunningServerMakesAKeyAndThenWantsOne(t *testing.T) {
	api := start(t, t.TempDir()).ready()
	key := strings.TrimSpace(nearside(t, t.Context(), "keys", "create", "--scope", "admin", "--name", "me", "--url", api.URL))
	if err := api.Do(t.Context(), "GET", "/vectorize/v2/indexes", nil, nil); err == nil {
		t.Error("a call without a key succeeds")
	}
	with := &client.Client{URL: api.URL, Key: key}
	if err := with.Do(t.Context(), "GET", "/vectorize/v2/indexes", nil, nil); err != nil {
		t.Error(err)
	}
	if out := nearside(t, t.Context(), "keys", "list", "--url", api.URL, "--key", key); !strings.Contains(out, "me") {
		t.Errorf("the list of keys is\n%s", out)
	}
}
