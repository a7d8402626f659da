package openai

import "strings"

// languages are those that Whisper knows, which servers give by name and others by
// code (github.com/openai/whisper, tokenizer.py).
const languages = `af afrikaans am amharic ar arabic as assamese az azerbaijani ba bashkir be belarusian bg bulgarian bn bengali bo tibetan
br breton bs bosnian ca catalan cs czech cy welsh da danish de german el greek en english es spanish et estonian eu basque fa persian
fi finnish fo faroese fr french gl galician gu gujarati ha hausa haw hawaiian he hebrew hi hindi hr croatian hu hungarian hy armenian
id indonesian is icelandic it italian ja japanese jw javanese ka georgian kk kazakh km khmer kn kannada ko korean la latin
lb luxembourgish ln lingala lo lao lt lithuanian lv latvian mg malagasy mi maori mk macedonian ml malayalam mn mongolian mr marathi
ms malay mt maltese my myanmar ne nepali nl dutch nn nynorsk no norwegian oc occitan pa punjabi pl polish ps pashto pt portuguese
ro romanian ru russian sa sanskrit sd sindhi si sinhala sk slovak sl slovenian sn shona so somali sq albanian sr serbian su sundanese
sv swedish sw swahili ta tamil te telugu tg tajik th thai tk turkmen tl tagalog tr turkish tt tatar uk ukrainian ur urdu uz uzbek
vi vietnamese yi yiddish yo yoruba yue cantonese zh chinese`

// codes has the code of each language by its name.
var codes = func() map[string]string {
	words, byName := strings.Fields(languages), map[string]string{"haitian creole": "ht"}
	for i := 0; i < len(words); i += 2 {
		byName[words[i+1]] = words[i]
	}
	return byName
}()

// languageCode returns the code of a language that is given by its name, and anything else as it is.
func languageCode(language string) string {
	if code := codes[strings.ToLower(language)]; code != "" {
		return code
	}
	return language
}
