/** A passage that the model was given, by the number that it must cite. */
export interface Source {
  number: number;
  id: string;
  title: string;
  text: string;
  score: number;
}

/** What became of the citations of an answer. */
export interface Citations {
  /** Numbers of sources whose words bear out what cites them. */
  supported: number[];
  /** Numbers of sources that say something else: look before you believe. */
  doubtful: number[];
  /** Numbers that no source has. */
  invented: number[];
}

const CITATION = /\[(\d+)\]/g;

/** The share of a sentence's words that must stand in what it cites. */
const ENOUGH = 0.5;

/**
 * Checks every citation of an answer. Models do cite what they were not given, and what says something
 * else. The first is certain; the second is told by plain means: a sentence is borne out if half of its
 * longer words stand in the source. That is cheap, and wrong at times: it is a mark for readers, no proof.
 */
export function checkCitations(answer: string, sources: Source[]): Citations {
  const found = { supported: new Set<number>(), doubtful: new Set<number>(), invented: new Set<number>() };
  for (const sentence of answer.split(/(?<=[.!?])\s+(?!\[)/)) {
    for (const [, digits] of sentence.matchAll(CITATION)) {
      const source = sources.find(({ number }) => number === Number(digits));
      if (!source) found.invented.add(Number(digits));
      else if (share(sentence, source) >= ENOUGH) found.supported.add(source.number);
      else found.doubtful.add(source.number);
    }
  }
  return { supported: [...found.supported], doubtful: [...found.doubtful], invented: [...found.invented] };
}

/** How many of a sentence's longer words stand in the source, from 0 to 1. */
function share(sentence: string, source: Source): number {
  const words = stemsOf(sentence.replace(CITATION, ""));
  const theirs = new Set(stemsOf(`${source.title} ${source.text}`));
  return words.length === 0 ? 0 : words.filter((word) => theirs.has(word)).length / words.length;
}

/** The beginnings of words: "returned" and "returning" are to count as one. */
function stemsOf(text: string): string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}]{4,}/gu) ?? []).map((word) => word.slice(0, 5));
}
