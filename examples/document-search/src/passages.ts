/** The longest passage, in characters: about 180 tokens of English. bge reads 512 of a text and passes over the rest. */
const LONGEST = 700;

/** What is shorter is a heading, and belongs to the paragraph below it. */
const HEADING = 60;

const sentenceSplitter = new Intl.Segmenter(undefined, { granularity: "sentence" });

/**
 * Cuts a text into passages that make sense alone.
 *
 * A passage ends where its paragraph does. A paragraph that is too long is cut between sentences,
 * and every further passage begins with the last sentence of the one before: otherwise nobody,
 * and no encoder, knows what its "it" and "they" stand for.
 */
export function passagesOf(text: string): string[] {
  const passages: string[] = [];
  let heading = "";
  for (const paragraph of text.split(/\n\s*\n/).map((p) => p.trim()).filter(Boolean)) {
    if (paragraph.length < HEADING) {
      heading += paragraph + "\n";
      continue;
    }
    passages.push(...cut(heading + paragraph));
    heading = "";
  }
  if (heading) passages.push(heading.trim());
  return passages;
}

/** Cuts a paragraph between sentences, with one sentence of overlap. */
function* cut(paragraph: string): Generator<string> {
  let passage = "";
  let last = "";
  for (const sentence of sentencesOf(paragraph)) {
    if (passage && passage.length + sentence.length > LONGEST) {
      yield passage.trim();
      passage = last.length + sentence.length > LONGEST ? "" : last;
    }
    passage += sentence;
    last = sentence;
  }
  yield passage.trim();
}

/** Splits into sentences; one that is too long, such as a table, is cut wherever it must be, though never within a character. */
function sentencesOf(paragraph: string): string[] {
  const sentences = Array.from(sentenceSplitter.segment(paragraph), ({ segment }) => segment);
  return sentences.flatMap((sentence) => sentence.match(new RegExp(`[^]{1,${LONGEST}}`, "gu")) ?? []);
}
