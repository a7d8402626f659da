package server

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
)

// FuzzFloatsQuicklyAndSlowlyAreOne holds the quick way to read an array of
// numbers to the plain one: the same values, the same position after them, the
// same words about what is wrong.
func FuzzFloatsQuicklyAndSlowlyAreOne(f *testing.F) {
	for _, seed := range []string{
		`[1,2.5,-3e-7]`, ` [ 1 , 2 ] `, `[]`, `[1,2,3,4,5,6,7]`, `[0.1234567890123456789012345,16777217,1e-45]`, `[1e39]`, `[1,-3.5e38,2]`, `[1,NaN]`, `[01]`, `[1.]`, `[1,]`,
		`[1,null]`, `[[1]]`, `["1"]`, `[1 2]`, `[1`, `[`, ``, `{}`, `null`, "[1,\t2\r\n]tail", `[0.1,0.2],"topK":3}`,
	} {
		f.Add([]byte(seed), uint8(5))
	}
	f.Fuzz(func(t *testing.T, data []byte, most uint8) {
		quick, slow := scanner{data: data}, scanner{data: data}
		got, n, err := quick.floats(nil, int(most))
		want, wantN, wantErr := slow.floatsSlowly(nil, int(most))
		same := slices.EqualFunc(got, want, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
		if !same || n != wantN || fmt.Sprint(err) != fmt.Sprint(wantErr) || err == nil && quick.at != slow.at {
			t.Fatalf("%q: %v, %d, %v at %d; one by one %v, %d, %v at %d", data, got, n, err, quick.at, want, wantN, wantErr, slow.at)
		}
	})
}

func TestAKeyWithEscapesIsTheKeyItStandsFor(t *testing.T) {
	var keys []string
	s := scanner{data: []byte(`{"plain":1,"":2,"\u0069\"d":3,"ü":4}`)}
	err := s.fields(func(key string) error {
		keys = append(keys, key)
		_, err := s.value()
		return err
	})
	if err != nil || !slices.Equal(keys, []string{"plain", "", `i"d`, "ü"}) {
		t.Errorf("keys %q, %v", keys, err)
	}
}

func TestAQueryKeepsNothingOfItsBody(t *testing.T) {
	body := `{"vector":[1,2,3],"namespace":"eu","returnMetadata":"all","filter":{"genre":{"$in":["noir","fi\u006cm"]},"year":{"$gte":1944}}}`
	data := []byte(body)
	q, err := parseQuery(data, 3)
	if err != nil {
		t.Fatal(err)
	}
	byID := []byte(`{"vectorId":"abc"}`)
	p, err := parseQuery(byID, 3)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	clear(byID)
	again, err := parseQuery([]byte(body), 3)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(q, again) || p.ID != "abc" {
		t.Errorf("the query became %+v, want %+v; the id %q", q, again, p.ID)
	}
	for _, wrong := range []string{`{"namespace":7}`, `{"filter":{"$or":1}}`, `{"vector":[1,"x"]}`, `{"topK":"tenfold"}`} {
		data := []byte(wrong)
		_, err := parseQuery(data, 3)
		before := fmt.Sprint(err)
		clear(data)
		if after := fmt.Sprint(err); err == nil || before != after {
			t.Errorf("%s: %q became %q", wrong, before, after)
		}
	}
}
