#!/usr/bin/env python3
"""Makes the golden files of this package with an independent implementation.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install numpy tokenizers safetensors
    /tmp/reference/bin/python reference.py MODEL_DIR COLLECTIONS_DIR

MODEL_DIR holds model.safetensors and vocab.txt of all-MiniLM-L6-v2. Written here:

    tokens.json          token ids of hostile strings; sums of the ids of whole collections and of every code point
    vectors.json         texts with their vectors, computed in float64
    ../unicode_tables.go the classes of code points that the reference tokenizer knows

The tokenizer is the `tokenizers` library; the encoder is the forward pass below, plain numpy.
"""
import base64, gzip, hashlib, json, math, os, struct, sys
import numpy as np
import tokenizers
from safetensors.numpy import load_file
from tokenizers import BertWordPieceTokenizer, normalizers, pre_tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
WINDOW = 256

NASTY = [
    "", " ", "\t\r\n ", "hello", "Hello, World!", "don't stop—believing…", "a" * 100, "a" * 101, "é" * 100, "é" * 101,
    "unaffable", "##able", "able ##able", "supercalifragilisticexpialidocious", "naïve café résumé ÀÉÎÕÜ ñ ç",
    "I\u0307stanbul \u0130stanbul ISPARTA ılık", "straße STRASSE \u1e9e", "ΣΊΣΥΦΟΣ σίσυφος ς", "ﬁnance ﬂow ﬃ", "K Å Ω \u212a\u212b\u2126",
    "e\u0301 e\u0327\u0301 e\u0301\u0327", "\u0301\u0301", "a\u0301" * 120, "q\u0307\u0323 \u1e69 s\u0323\u0307",
    "中文分词测试", "中a文b", "東京タワーはどこですか", "カ\u3099 が ｶﾞ", "한국어 문장입니다", "각\u1112\u1161\u11ab", "ภาษาไทยไม่มีช่องว่าง", "हिन्दी में लिखा हुआ", "العَرَبِيَّة", "עִבְרִית",
    "豈更\ufa0e\U0002f800\U00020000\U0002a6d6\U0002b740\U0002ceb0\U00030000", "㐀䶿一鿿\u9fff\u4dc0",
    "NUL\u0000in\u0000side", "bell\u0007tab\tvt\u000bff\u000cnel\u0085", "repl\ufffdace", "zero\u200bwidth\u200djoin\ufeffbom\u00adshy", "\u202eRTL\u202c override",
    "nbsp\u00a0thin\u2009ideo\u3000line\u2028para\u2029ogham\u1680x", "mongolian\u180evowel", "private\ue000use\U000f0000x", "un\u0378assigned\U000e0fffx",
    "[CLS]", "[SEP] [PAD][MASK][UNK]", "x[SEP]y", "[sep] [Cls]", "[ SEP ]", "[[CLS]]", "[CLS", "[SEP", "a[MAS[MASK]K]", "e[SEP]\u0301x", "\u0301[SEP]\u0301",
    "😀", "👩‍👩‍👧‍👦 family", "🇩🇪 flag", "ok👍ok", "1️⃣ keycap", "♥ ☎ ❤️", "x² H₂O ½ Ⅷ ①", "$1,234.56 €99 ¥5 £3 ¢", "a+b=c <tag> ~tilde^ `code` |pipe|", "C++ C# .NET node.js",
    "https://example.com/a?b=c&d=%20#frag", "user@example.com", "snake_case camelCase kebab-case", "don’t “quote” ‘single’ «guillemets» „low“", "—–‒―-‐‑", "…‥.", "·•‧・･", "。、！？；：（）「」", "¿¡§¶†‡",
    "a\u0e33b \u0eb3", "\u0f77 \u0f73", "\u1e9b\u0323", "\u302e\u302fx\u302f\u302e", "x\U0001d165\U0001d16d\U0001d16ex\U0001d16d\U0001d165", "\U0001d15e \U0001d400 \U0001d7d8", "\u0344 \u0958 \u2adc \ufb1d",
    "\u104f၊ ။ ፡ ። ᠀ ‖ ‿ ⁀ ⸺ ⸻ \u2e43 \u061d \u0a76 \u166d \U00010100 \U000111c9", "Ａ Ｂ ｃ １ ！", "\ua7dcx \ua7cbx \u1c89x", "ꙮ ꭰ Ꭰ ჱ Ა ა",
    "lone " + "x" * 300 + " end", "." * 50, "\u0000" * 10, "ab" * 50 + "!", " ".join(["word"] * 300), "\u00a0" * 5 + "x",
]

TEXTS = [
    "", "hello", "How do I reset my password?", "Reset a forgotten password from the sign-in page.",
    "The quick brown fox jumps over the lazy dog.", "jogging sneakers", "running shoes", "quarterly tax report",
    "Wie setze ich mein Passwort zurück?", "¿Cómo restablezco mi contraseña?", "Comment réinitialiser mon mot de passe ?",
    "Как сбросить пароль?", "Πώς μπορώ να επαναφέρω τον κωδικό;", "كيف يمكنني إعادة تعيين كلمة المرور؟", "मैं अपना पासवर्ड कैसे रीसेट करूं?",
    "ฉันจะรีเซ็ตรหัสผ่านได้อย่างไร", "我怎样重置密码？", "パスワードをリセットするにはどうすればよいですか", "Parolamı nasıl sıfırlarım? İSTANBUL", "Làm thế nào để đặt lại mật khẩu?",
    "😀 👍🏽 great job, team!!!", "[SEP] [MASK] tokens in the text", "x" * 150, "def f(x):\n    return x ** 2  # square",
    "SELECT name, COUNT(*) FROM users WHERE age >= 21 GROUP BY name HAVING COUNT(*) > 3 ORDER BY 2 DESC;",
    "Aerodynamic heating of a blunt body at hypersonic speed was measured in a shock tunnel. " * 3,
    "The committee shall submit its annual report, with findings and recommendations, to the assembly no later than the first of March. " * 6,
    " ".join("number %d" % i for i in range(126)) + " a b", " ".join("number %d" % i for i in range(127)) + " a b",
    "Photosynthesis turns light into sugar; respiration turns sugar into work. " * 40,
    "Ünïcödé ÀÇÇÈÑTS everywhere: " + "déjà vu, façade, jalapeño, smörgåsbord. " * 8, "a b c d e f g h i j k l m n o p q r s t u v w x y z",
]


def tokenizer(model):
    return BertWordPieceTokenizer(os.path.join(model, "vocab.txt"), clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)


# The same five names are special to the model's own tokenizer: found in a text before anything else is done to it.
def with_special_tokens(t):
    t.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return t


def stream_sum(t, texts):
    sha, tokens = hashlib.sha256(), 0
    for at in range(0, len(texts), 2000):
        for e in t.encode_batch(texts[at : at + 2000]):
            sha.update(struct.pack("<%dI" % (len(e.ids) + 1), len(e.ids), *e.ids))
            tokens += len(e.ids)
    return {"texts": len(texts), "tokens": tokens, "sha256": sha.hexdigest()}


def collection_sums(t, root):
    sums = {}
    for name in ("cranfield", "medquad", "xquad"):
        for file in sorted(f for f in os.listdir(os.path.join(root, name)) if f.endswith(".jsonl.gz")):
            groups = {}
            for line in gzip.open(os.path.join(root, name, file), "rt", encoding="utf-8"):
                row = json.loads(line)
                lang = row.get("metadata", {}).get("lang", "") if name == "xquad" else ""
                groups.setdefault(lang, []).extend([row.get("title", ""), row["text"]])
            for lang, texts in sorted(groups.items()):
                sums["/".join(filter(None, [name, file, lang]))] = stream_sum(t, texts)
    return sums


# Every code point twice: within a word and alone.
def code_point_sums(t):
    sums = []
    for block in range(0, 0x110000, 0x1000):
        points = [chr(c) for c in range(block, block + 0x1000) if not 0xD800 <= c <= 0xDFFF]
        if points:
            sums.append({"first": block, **stream_sum(t, [s for c in points for s in ("a" + c + "b", c)])})
    return sums


def encode(w, ids):
    """The forward pass of BERT with mean pooling, in float64."""
    def dense(x, name):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12) * w[name + ".weight"] + w[name + ".bias"]

    erf = np.vectorize(math.erf)
    e = "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][: len(ids)] + w[e + "token_type_embeddings.weight"][0]
    x = norm(x, e + "LayerNorm")
    for layer in range(6):
        p = "encoder.layer.%d." % layer
        q, k, v = (dense(x, p + "attention.self." + n).reshape(len(ids), 12, 32).transpose(1, 0, 2) for n in ("query", "key", "value"))
        s = q @ k.transpose(0, 2, 1) / math.sqrt(32)
        s = np.exp(s - s.max(-1, keepdims=True))
        a = (s / s.sum(-1, keepdims=True)) @ v
        x = norm(x + dense(a.transpose(1, 0, 2).reshape(len(ids), 384), p + "attention.output.dense"), p + "attention.output.LayerNorm")
        h = dense(x, p + "intermediate.dense")
        h = h * 0.5 * (1 + erf(h / math.sqrt(2)))
        x = norm(x + dense(h, p + "output.dense"), p + "output.LayerNorm")
    m = x.mean(0)
    return m / np.linalg.norm(m)


def vectors(model):
    w = {k: v.astype(np.float64) for k, v in load_file(os.path.join(model, "model.safetensors")).items()}
    t = with_special_tokens(tokenizer(model))
    out = []
    for text in TEXTS:
        total = len(t.encode(text).ids)
        t.enable_truncation(WINDOW)
        ids = t.encode(text).ids
        t.no_truncation()
        v = encode(w, ids).astype("<f4")
        out.append({"text": text, "tokens": len(ids), "dropped": total - len(ids), "vector": base64.b64encode(v.tobytes()).decode()})
    return out


def unicode_tables():
    """Asks the reference about every code point; its tables are of an older Unicode than Go's."""
    clean = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    strip = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    split = pre_tokenizers.BertPreTokenizer()
    sets = {"controls": [], "spaces": [], "accents": [], "punctuation": []}
    for c in range(0x110000):
        if 0xD800 <= c <= 0xDFFF:
            continue
        s = "a" + chr(c) + "b"
        cleaned = clean.normalize_str(s)
        if cleaned == "ab":
            sets["controls"].append(c)
        elif cleaned == "a b":
            sets["spaces"].append(c)
        if strip.normalize_str(s) == "ab":
            sets["accents"].append(c)
        if len(split.pre_tokenize_str(s)) == 3:
            sets["punctuation"].append(c)
    what = {
        "controls": "are removed: control, format, private use, NUL and U+FFFD",
        "spaces": "end a word and are otherwise nothing",
        "accents": "are removed once a text is decomposed (nonspacing marks)",
        "punctuation": "are words of their own",
    }
    go = ["// Code generated by testdata/reference.py; DO NOT EDIT.", "", "package bert", "", 'import "unicode"', ""]
    for name, points in sets.items():
        spans = []
        for c in points:
            if spans and spans[-1][1] == c - 1 and (c > 0xFFFF) == (spans[-1][0] > 0xFFFF):
                spans[-1][1] = c
            else:
                spans.append([c, c])
        go += ["// %s holds the code points that %s." % (name, what[name]), "var %s = &unicode.RangeTable{" % name]
        for field, type_, part in (("R16", "Range16", [s for s in spans if s[1] <= 0xFFFF]), ("R32", "Range32", [s for s in spans if s[1] > 0xFFFF])):
            if part:
                go.append("\t%s: []unicode.%s{" % (field, type_))
                go += ["\t\t" + " ".join("{%#x, %#x, 1}," % tuple(s) for s in part[i : i + 5]) for i in range(0, len(part), 5)]
                go.append("\t},")
        go += ["\tLatinOffset: %d," % sum(1 for s in spans if s[1] <= 0xFF), "}", ""]
    return "\n".join(go)


def write(name, text):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as f:
        f.write(text)


def lines(rows):
    return "[\n" + ",\n".join(json.dumps(r, ensure_ascii=True) for r in rows) + "\n]"


if __name__ == "__main__":
    model, collections = sys.argv[1:]
    write("../unicode_tables.go", unicode_tables())
    t = with_special_tokens(tokenizer(model))
    write("tokens.json", '{"reference": "tokenizers %s",\n"strings": %s,\n"codePoints": %s,\n"collections": %s}\n' % (
        tokenizers.__version__, lines([{"text": s, "ids": t.encode(s).ids} for s in NASTY]), lines(code_point_sums(t)),
        json.dumps(collection_sums(t, collections), indent=0)))
    write("vectors.json", lines(vectors(model)) + "\n")
