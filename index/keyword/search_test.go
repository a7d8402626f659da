package keyword_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/fault"
	"nearside/index/keyword"
)

func TestQueriesFindWhatTheySay(t *testing.T) {
	english := []string{
		0:  "Refunds are paid within 30 days of the purchase.",
		1:  "The purchase of thirty refunds; pay within days.",
		2:  "to be or not to be, that is the question",
		3:  "a network connection failed with error E1234",
		4:  "The Who played in Leeds",
		5:  "we receive letters",
		6:  "天气预报说明天下雨",
		7:  "水を飲む。東京タワー",
		8:  "서울에서 지하철을 타다",
		9:  "ฉันกินข้าวที่บ้าน",
		10: "हिन्दी में लिखी किताबें",
		11: "full ｗｉｄｔｈ and naïve",
		12: "連絡先: tel. 555-0199",
	}
	w := newWorld(t, keyword.Options{})
	w.texts(english...)
	for _, c := range []struct {
		query keyword.Query
		want  []uint32 // in any order
	}{
		{keyword.Query{Text: "refund days"}, []uint32{0, 1}},
		{keyword.Query{Text: "refund thirty", Mode: keyword.And}, []uint32{1}},
		{keyword.Query{Text: "the refund", Mode: keyword.And}, []uint32{0, 1}}, // a stop word is not asked for
		{keyword.Query{Text: `"within 30 days"`}, []uint32{0}},
		{keyword.Query{Text: `"within days"`}, []uint32{1}},
		{keyword.Query{Text: `“within 30 days” leeds`}, []uint32{0, 4}},
		{keyword.Query{Text: `"within 30 days" leeds`, Mode: keyword.And}, nil},
		{keyword.Query{Text: `"to be or not to be"`}, []uint32{2}},
		{keyword.Query{Text: `"or to be"`}, nil},
		{keyword.Query{Text: "to be"}, []uint32{2}},
		{keyword.Query{Text: `"the who"`}, []uint32{4}},
		{keyword.Query{Text: `refund"`}, []uint32{0, 1}}, // a quote without its partner
		{keyword.Query{Text: "e1234"}, []uint32{3}},
		{keyword.Query{Text: "e12*"}, []uint32{3}},
		{keyword.Query{Text: "connecti*"}, []uint32{3}},
		{keyword.Query{Text: "net* fail*", Mode: keyword.And}, []uint32{3}},
		{keyword.Query{Text: "zzz*"}, nil},
		{keyword.Query{Text: "*"}, nil},
		{keyword.Query{Text: "recieve"}, nil},
		{keyword.Query{Text: "recieve", Fuzziness: 1}, []uint32{5}},
		{keyword.Query{Text: "e1235", Fuzziness: 2}, nil}, // numbers are not guessed at
		{keyword.Query{Text: "天气"}, []uint32{6}},
		{keyword.Query{Text: "雨"}, []uint32{6}},
		{keyword.Query{Text: "明"}, []uint32{6}},
		{keyword.Query{Text: "水"}, []uint32{7}},
		{keyword.Query{Text: "タワー"}, []uint32{7}},
		{keyword.Query{Text: `"東京タワー"`}, []uint32{7}},
		{keyword.Query{Text: `"京タワ水"`}, nil},
		{keyword.Query{Text: "지하철", Mode: keyword.And}, []uint32{8}},
		{keyword.Query{Text: "ข้าว", Mode: keyword.And}, []uint32{9}},
		{keyword.Query{Text: "किताब"}, []uint32{10}},
		{keyword.Query{Text: "width"}, []uint32{11}},
		{keyword.Query{Text: "NAÏVE"}, []uint32{11}},
		{keyword.Query{Text: "絡*"}, []uint32{12}},
		{keyword.Query{Text: `"555-0199"`}, []uint32{12}},
		{keyword.Query{Text: ""}, nil},
		{keyword.Query{Text: "?!"}, nil},
	} {
		got := w.slots(c.query)
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.query, got, c.want)
		}
	}
}

func TestTrigramsFindAnyPartOfAWord(t *testing.T) {
	w := newWorld(t, keyword.Options{Analysis: keyword.Analysis{Tokenizer: keyword.Trigrams}})
	w.texts("NullPointerException in main", "null pointer", "5µm tolerance")
	for text, want := range map[string][]uint32{
		"pointerex": {0}, "POINTER": {0, 1}, `"l pointer"`: {1}, `"null pointer"`: {1}, "ma": {0}, "µm": {2}, "pointers": {},
		"pointer main": {0, 1}, "tol*": {2}, "e": {0, 1, 2},
	} {
		got := w.slots(keyword.Query{Text: text})
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestFieldsAreSearchedByTheirBoosts(t *testing.T) {
	w := newWorld(t, keyword.Options{})
	w.add([]keyword.Document{
		{Slot: 0, Text: "apple pear plum fig"},
		{Slot: 1, Title: "apple", Text: "pear plum fig"},
		{Slot: 2, Text: "pear plum fig", Metadata: []string{"apple"}},
	})
	for _, c := range []struct {
		boosts map[keyword.Field]float64
		want   []uint32
	}{
		{nil, []uint32{1, 0, 2}},
		{map[keyword.Field]float64{keyword.Text: 1}, []uint32{0}},
		{map[keyword.Field]float64{keyword.Metadata: 3, keyword.Title: 1}, []uint32{2, 1}},
	} {
		if got := w.slots(keyword.Query{Text: "apple", Boosts: c.boosts}); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.boosts, got, c.want)
		}
	}
}

func TestMatchesStandAtTheirBytes(t *testing.T) {
	w := newWorld(t, keyword.Options{})
	d := keyword.Document{Slot: 9, Title: "Ünited Connections", Text: "naïve 天气 connected, to be or not to be; connect", Metadata: []string{"Été", "a connection"}}
	w.add([]keyword.Document{{Slot: 3, Text: "connect"}, d})
	answer, err := w.index.Search(context.Background(), keyword.Query{Text: `connecting 天气 "not to be"`, Matches: true}, roaring.BitmapOf(9), 5)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range answer.Hits[0].Matches {
		value := []string{d.Title, d.Text, d.Metadata[m.Value]}[m.Field]
		got = append(got, fmt.Sprintf("%s %d %s=%s", m.Field, m.Value, value[m.Start:m.End], m.Term))
	}
	want := []string{"title 0 Connections=connect", "text 0 天气=天气", "text 0 connected=connect", "text 0 not=not", "text 0 to=to", "text 0 be=be", "text 0 connect=connect", "metadata 1 connection=connect"}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant %s", strings.Join(got, " | "), strings.Join(want, " | "))
	}
}

func TestEqualScoresStandBySlot(t *testing.T) {
	w := newWorld(t, keyword.Options{FlushBytes: 1})
	var want []uint32
	for s := range uint32(50) {
		w.add([]keyword.Document{{Slot: s, Text: "same words"}})
		want = append(want, s)
	}
	if got := w.slots(keyword.Query{Text: "words"}); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestNothingOutsideTheSlotsAskedForHasAPartInAScore(t *testing.T) {
	mine, both := newWorld(t, keyword.Options{}), newWorld(t, keyword.Options{})
	visible := []keyword.Document{{Slot: 1, Text: "secret plans of one"}, {Slot: 4, Text: "plans"}}
	hidden := []keyword.Document{{Slot: 2, Text: "secret secret secrets"}, {Slot: 3, Text: "a much longer text with secret things of others"}}
	mine.add(visible)
	both.add([]keyword.Document{visible[0], hidden[0], hidden[1], visible[1]})
	q := keyword.Query{Text: "secret* plans sekret", Fuzziness: 1}
	alone, err := mine.index.Search(context.Background(), q, everything(), 10)
	if err != nil {
		t.Fatal(err)
	}
	among, err := both.index.Search(context.Background(), q, roaring.BitmapOf(1, 4), 10)
	if err != nil {
		t.Fatal(err)
	}
	alone.Covered, among.Covered = 0, 0
	if fmt.Sprint(alone) != fmt.Sprint(among) {
		t.Errorf("%v, alone %v", among, alone)
	}
}

func TestQueriesOutOfRangeAreRefused(t *testing.T) {
	w := newWorld(t, keyword.Options{})
	for _, q := range []keyword.Query{
		{Mode: "xor"}, {Fuzziness: -1}, {Fuzziness: 3}, {K1: -1}, {K1: 1, B: 1.5},
		{Boosts: map[keyword.Field]float64{}}, {Boosts: map[keyword.Field]float64{9: 1}}, {Boosts: map[keyword.Field]float64{keyword.Text: -1}},
		{Boosts: map[keyword.Field]float64{keyword.Text: 1001}},
	} {
		if _, err := w.index.Search(context.Background(), q, everything(), 1); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func TestAnEmptyQueryAndAnEmptyIndexSaySo(t *testing.T) {
	w := newWorld(t, keyword.Options{})
	if a, err := w.index.Search(context.Background(), keyword.Query{Text: "x"}, everything(), 5); err != nil || len(a.Hits) > 0 || a.Empty || a.Among != 0 {
		t.Errorf("%+v %v", a, err)
	}
	w.texts("one", "two")
	if a, err := w.index.Search(context.Background(), keyword.Query{Text: " ... "}, everything(), 5); err != nil || len(a.Hits) > 0 || !a.Empty || a.Among != 2 || a.Covered != 1 {
		t.Errorf("%+v %v", a, err)
	}
}

func TestALongQueryIsCut(t *testing.T) {
	w := newWorld(t, keyword.Options{})
	w.texts("word7 word5000")
	var b strings.Builder
	for i := range 6000 {
		fmt.Fprintf(&b, "word%d ", i)
	}
	answer, err := w.index.Search(context.Background(), keyword.Query{Text: b.String(), Matches: true}, everything(), 5)
	if err != nil || len(answer.Hits) != 1 || len(answer.Hits[0].Matches) != 1 {
		t.Errorf("%+v %v", answer, err)
	}
}
