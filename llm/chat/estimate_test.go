package chat_test

import (
	"strings"
	"testing"

	"nearside/llm/chat"
)

func TestEstimatesAreRatherTooHighInEveryScript(t *testing.T) {
	// The counts are those of the vocabulary cl100k_base, by js-tiktoken 1.0.
	for _, test := range []struct {
		text  string
		least int
	}{
		{"", 0},
		{"antidisestablishmentarianism", 6},
		{"2 + 2 = 4", 7},
		{"tiktoken is great!", 6},
		{"お誕生日おめでとう", 9},
		{"Die Würde des Menschen ist unantastbar. Sie zu achten und zu schützen ist Verpflichtung aller staatlichen Gewalt. Das Deutsche Volk bekennt sich darum zu unverletzlichen und unveräußerlichen Menschenrechten als Grundlage jeder menschlichen Gemeinschaft, des Friedens und der Gerechtigkeit in der Welt.", 81},
		{"Les hommes naissent et demeurent libres et égaux en droits. Les distinctions sociales ne peuvent être fondées que sur l'utilité commune.", 32},
		{"Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa.", 64},
		{"Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi. Mọi con người đều được tạo hóa ban cho lý trí và lương tâm.", 64},
		{"Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны поступать в отношении друг друга в духе братства.", 74},
		{"يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا بروح الإخاء.", 80},
		{"सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।", 84},
		{"人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。", 52},
		{"すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。", 45},
		{"모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.", 41},
		{"มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ", 65},
		{"😀🎉🚀👩‍💻🇳🇴❤️", 24},
	} {
		got := chat.EstimateText(test.text)
		if 10*got < 9*test.least || got > 2*test.least {
			t.Errorf("%q: %d tokens, want about %d to %d", test.text, got, test.least, 2*test.least)
		}
	}
}

func TestEstimatesCountEverythingThatTheModelReads(t *testing.T) {
	base := &chat.Request{Messages: []chat.Message{{Role: chat.User, Content: "Hello"}}}
	least := chat.EstimateTokens(base)
	for name, q := range map[string]*chat.Request{
		"a message": {Messages: []chat.Message{base.Messages[0], {Role: chat.User}}},
		"a picture": {Messages: []chat.Message{{Role: chat.User, Content: "Hello", Images: make([]chat.Image, 1)}}},
		"a call":    {Messages: []chat.Message{{Role: chat.User, Content: "Hello", ToolCalls: make([]chat.ToolCall, 1)}}},
		"a tool":    {Messages: base.Messages, Tools: make([]chat.Tool, 1)},
		"a schema":  {Messages: base.Messages, Format: &chat.Format{Schema: []byte(`{"type":"object"}`)}},
	} {
		if got := chat.EstimateTokens(q); got <= least {
			t.Errorf("%s adds nothing: %d, without it %d", name, got, least)
		}
	}
	if got := chat.EstimateTokens(&chat.Request{Prompt: strings.Repeat("word ", 1000)}); got < 1000 {
		t.Errorf("a thousand words: %d tokens", got)
	}
	a := &chat.Answer{Content: "Hello", Reasoning: "Hm.", ToolCalls: []chat.ToolCall{{Name: "f"}}}
	if got := chat.EstimateAnswer(a); got <= chat.EstimateText("HelloHm.f") {
		t.Errorf("an answer: %d", got)
	}
}

func TestNoCharacterIsFreeAndNoneCostsMoreThanItsBytes(t *testing.T) {
	for _, r := range "a Zé\n7.Жאع漢かㅎ한हกა😀\u200d\u0000\U0010ffff\ufffd" {
		one, many := chat.EstimateText(string(r)), chat.EstimateText(strings.Repeat(string(r), 12))
		if one < 1 || many < 3 || many > 12*len(string(r)) {
			t.Errorf("%q: %d, twelve of them %d", r, one, many)
		}
	}
}
