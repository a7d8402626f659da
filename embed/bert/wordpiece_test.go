package bert

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// golden is testdata/tokens.json: what the reference tokenizer makes of the
// same texts. A sum is over the ids of many texts, each led by their number.
type golden struct {
	Reference string
	Strings   []struct {
		Text string
		IDs  []int32
	}
	CodePoints []struct {
		First rune
		sum
	}
	Collections map[string]sum
}

type sum struct {
	Texts  int
	Tokens int
	SHA256 string
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	b, err := os.ReadFile("testdata/tokens.json")
	if err == nil {
		err = json.Unmarshal(b, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// unlimited is a window that no test's text fills.
const unlimited = 1 << 30

func encodeAll(t *testing.T, tok *tokenizer, text string) []int32 {
	t.Helper()
	got, err := tok.encode(t.Context(), text, unlimited)
	if err != nil {
		t.Fatal(err)
	}
	if got.total != len(got.ids) {
		t.Fatalf("%.60q: %d tokens counted, %d returned", text, got.total, len(got.ids))
	}
	return got.ids
}

func sumOf(t *testing.T, tok *tokenizer, texts []string) sum {
	t.Helper()
	h, s := sha256.New(), sum{Texts: len(texts)}
	var buf []byte
	for _, text := range texts {
		ids := encodeAll(t, tok, text)
		buf = binary.LittleEndian.AppendUint32(buf[:0], uint32(len(ids)))
		for _, id := range ids {
			buf = binary.LittleEndian.AppendUint32(buf, uint32(id))
		}
		h.Write(buf)
		s.Tokens += len(ids)
	}
	s.SHA256 = hex.EncodeToString(h.Sum(nil))
	return s
}

func TestHostileStringsHaveTheReferencesTokens(t *testing.T) {
	tok := realTokenizer(t)
	for _, s := range readGolden(t).Strings {
		if got := encodeAll(t, tok, s.Text); !slices.Equal(got, s.IDs) {
			t.Errorf("%.80q: tokens %v, the reference has %v", s.Text, got, s.IDs)
		}
	}
}

func TestEveryCodePointHasTheReferencesTokens(t *testing.T) {
	tok := realTokenizer(t)
	for _, block := range readGolden(t).CodePoints {
		if block.First > 0xffff && !*long {
			break // the basic plane has nearly all that anybody writes
		}
		var texts []string
		for r := block.First; r < block.First+0x1000; r++ {
			if r < 0xd800 || r > 0xdfff { // surrogates are no characters
				texts = append(texts, "a"+string(r)+"b", string(r))
			}
		}
		if got := sumOf(t, tok, texts); got != block.sum {
			t.Errorf("code points from %#x: %+v, the reference has %+v", block.First, got, block.sum)
		}
	}
}

func TestEveryTextOfTheCollectionsHasTheReferencesTokens(t *testing.T) {
	root := collections(t)
	tok := realTokenizer(t)
	want := readGolden(t).Collections
	files := map[string]bool{}
	for key := range want {
		name, rest, _ := strings.Cut(key, "/")
		file, _, _ := strings.Cut(rest, "/")
		files[name+"/"+file] = true
	}
	for file := range files {
		if strings.Contains(file, "medquad/corpus") && !*long {
			continue
		}
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			for lang, texts := range textsByLanguage(t, filepath.Join(root, filepath.FromSlash(file))) {
				key := strings.TrimSuffix(file+"/"+lang, "/")
				if got := sumOf(t, tok, texts); got != want[key] {
					t.Errorf("%s: %+v, the reference has %+v", key, got, want[key])
				}
			}
		})
	}
}

// textsByLanguage reads title and text of every line; only xquad has languages.
func textsByLanguage(t *testing.T, path string) map[string][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string][]string{}
	for lines := bufio.NewReader(z); ; {
		line, err := lines.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			return texts
		}
		var row struct {
			Title, Text string
			Metadata    json.RawMessage
		}
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		var meta struct{ Lang string }
		if strings.Contains(path, "xquad") {
			if err := json.Unmarshal(row.Metadata, &meta); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
		texts[meta.Lang] = append(texts[meta.Lang], row.Title, row.Text)
	}
}
