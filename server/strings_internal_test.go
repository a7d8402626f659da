package server

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
)

// fasthttp reuses the memory of a request for the next one on the connection.
func TestStringsOfACallOutliveIt(t *testing.T) {
	type kept struct{ path, method, id, query, header, account, media string }
	all := make(chan kept, 20)
	h := start(t, Config{}, Route{Method: "POST", Path: "/client/v4/accounts/{account}/{id}", BodyLimit: testLimit, Handle: func(_ *Server, c *call) error {
		all <- kept{c.path, c.method, c.param("id"), c.queryParam("q"), c.header("X-Thing"), c.account, c.mediaType()}
		return c.reply(nil)
	}})
	c := h.dial()
	r := bufio.NewReader(c)
	for i := range cap(all) {
		d := strings.Repeat(string(rune('a'+i)), 8)
		fmt.Fprintf(c, "POST /client/v4/accounts/%[1]s/%[1]s?q=%[1]s HTTP/1.1\r\nHost: localhost\r\nX-Thing: %[1]s\r\nContent-Type: x/%[1]s\r\nContent-Length: 8\r\n\r\n%[1]s", d)
		h.next(r).want(t, 200, 0)
	}
	for i := range cap(all) {
		k, d := <-all, strings.Repeat(string(rune('a'+i)), 8)
		if want := (kept{"/client/v4/accounts/" + d + "/" + d, "POST", d, d, d, d, "x/" + d}); k != want {
			t.Errorf("call %d kept %+v, want %+v", i, k, want)
		}
	}
}
