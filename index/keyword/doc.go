// Package keyword is the keyword index of one index: which slots have the words of a
// query, and how well they fit by BM25.
//
// An Index knows documents by their slots. Add enters those of the next mutations,
// Search answers from all that was added before it was called, and says up to which
// sequence that is. It never forgets a slot by itself: each search is told which slots
// may be found, and Keep tells it which will not be asked for any more.
//
// # What is promised
//
//   - Derived data. Nothing here is acknowledged to a user: opened, the index says up to
//     which sequence it is whole (Covered), and the caller adds the rest. After a kill or a
//     power cut that is an older sequence, never a wrong one.
//   - Nothing is answered from damaged bytes, and none of them is taken for a number:
//     Open reads every file whole and compares its checksum; where it is wrong the files are removed, Lost says
//     why, and Covered is 0. A file that can no longer be read while it is open fails
//     searches (fault.Corrupt, Damage) until Reset. Bytes that change beneath an open index are not noticed
//     before it is opened again.
//   - Scores are BM25 as published, computed over exactly the slots that may be found:
//     real lengths, real counts. They are the same, to the last bit, however the index came
//     about: in one batch or in many, in memory or in files, before and after merges. What
//     is dead, filtered out or another tenant's has no part in them.
//   - Answers have one order: by score, equal scores by slot.
//   - Memory: 16 bytes a slot, and up to four times Options.FlushBytes of the newest
//     documents. Files are mapped. Methods may be called from any goroutine.
//
// What it does not do: it holds no texts, so it cannot show a passage, only say at which
// bytes of one the words stand; it knows no ids, namespaces or filters; and it does not
// find words by their meaning.
//
// # Terms
//
// Words are folded (case, width, composed characters) and stemmed by the rules of the
// index's language; words in other letters follow the rules that are usual for those
// letters: Arabic, Hindi and Russian, and English for Latin letters. Han, kana, Hangul, Thai, Lao, Khmer and
// Myanmar letters become overlapping pairs, and the last one of a run stands alone, so
// that one character finds all words that have it. Stop words are kept, so that phrases
// are found as they are, but they do not count as length, and a query that has other words leaves them out.
//
// # Files
//
// bleve's segment format (package zapx) holds dictionaries and postings. bleve's own
// index above it is not used. Its BM25 takes the square root of how often a word occurs,
// and as the mean length the number of different terms of all segments by the number of
// documents, so scores change with the segments (search/scorer and search/searcher of
// 2.6.1). Its manifest has no checksum, and it reads mapped files in goroutines of its
// own, where a fault ends the process. A folder has:
//
//	manifest  which segments there are, their sizes and CRC-32C, the sequence they cover;
//	          replaced as a whole
//	N.zap     segments, never changed; those that the manifest does not name are removed
//
// The newest documents are segments in memory, one or a few for each Add: the tail. They are
// merged into a file when they are many, or large, or have waited for half a minute,
// and when the index is closed. Eight files of like size are merged into one.
package keyword
