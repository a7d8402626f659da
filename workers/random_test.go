package workers_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"nearside/workers"
)

var seed = flag.Uint64("seed", 0, "of the random configurations; 0 = another each time")

// author writes configurations as odd as the language allows.
type author struct {
	*rand.Rand
	newline string
}

// space is what may stand between two tokens.
func (a author) space() string {
	var b strings.Builder
	for range a.IntN(4) {
		b.WriteString([]string{" ", "\t", a.newline, "// } \"env\": {" + a.newline, "/* , } */", "/*" + a.newline + " // */", a.newline + "  "}[a.IntN(7)])
	}
	return b.String()
}

func (a author) object(members []string) string {
	var b strings.Builder
	b.WriteString("{" + a.space())
	for i, m := range members {
		b.WriteString(m + a.space())
		if i < len(members)-1 || a.IntN(3) == 0 {
			b.WriteString("," + a.space())
		}
	}
	return b.String() + "}"
}

func (a author) member(key, value string) string {
	return fmt.Sprintf("%q%s:%s%s", key, a.space(), a.space(), value)
}

func (a author) configuration() string {
	members := []string{a.member("ai", a.object([]string{a.member("binding", `"AI"`)}))}
	for _, m := range []string{
		a.member("vars", a.object([]string{a.member("A", `"/* \" // */"`), a.member("N", "1.50")})),
		a.member("name", `"x"`),
		a.member("kv_namespaces", "["+a.space()+a.object(nil)+a.space()+"]"),
		a.member("env", a.object(nil)),
		a.member("env", a.object([]string{a.member("staging", a.object(nil)), a.member("local2", `{"x":[]}`)})),
	} {
		if a.IntN(2) == 0 && !(strings.HasPrefix(m, `"env"`) && strings.Contains(strings.Join(members, "\x00"), "\x00\"env\"")) {
			members = append(members, m)
		}
	}
	return a.space() + a.object(members) + a.space() + a.newline
}

// TestUndoOfInitIsTheSameBytesForOddConfigurations takes random ones.
func TestUndoOfInitIsTheSameBytesForOddConfigurations(t *testing.T) {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", s)
	for i := range 200 {
		a := author{rand.New(rand.NewPCG(s, uint64(i))), []string{"\n", "\r\n"}[i%2]}
		text := []byte(a.configuration())
		with, added := initialize(t, "a.jsonc", text, nil)
		for _, before := range []*workers.Added{&added, nil} {
			if again, _ := initialize(t, "a.jsonc", with, before); !bytes.Equal(again, with) {
				t.Fatalf("%d: a second Init changed\n%q\nto\n%q", i, with, again)
			}
			back, err := open(t, "a.jsonc", with).Undo("local", before)
			if err == nil && before == nil && !bytes.Equal(back, text) {
				// What Init returned is lost, and the text had an env without anything in it, which is gone now. Nothing else is.
				back, _ = initialize(t, "a.jsonc", back, nil)
				text = with
			}
			if err != nil || !bytes.Equal(back, text) {
				t.Fatalf("%d: Undo gave (%v)\n%q\nwant\n%q\nfrom\n%q", i, err, back, text, with)
			}
		}
	}
}
