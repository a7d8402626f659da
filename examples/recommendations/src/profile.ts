/** How much an item that somebody disliked counts, beside one that he liked. */
const DISLIKE = 0.5;

/**
 * The taste of a person as one vector: the mean of what was liked, less half the mean of what was not.
 *
 * Every vector is brought to length 1 first, or long ones would count for more. Dislikes count for
 * less because they say less: there are many ways not to be what somebody wants.
 */
export function profileOf(liked: number[][], disliked: number[][]): number[] {
  const towards = mean(liked);
  const away = disliked.length > 0 ? mean(disliked) : towards.map(() => 0);
  return towards.map((x, i) => x - DISLIKE * away[i]!);
}

function mean(vectors: number[][]): number[] {
  const sum = new Array<number>(vectors[0]!.length).fill(0);
  for (const vector of vectors) {
    const length = Math.hypot(...vector) || 1;
    vector.forEach((x, i) => (sum[i]! += x / length / vectors.length));
  }
  return sum;
}

/**
 * Takes the best k, but from no category more than its share while there are others: the nearest ten
 * of somebody who liked one beach are ten beaches. What was passed over fills up the rest.
 */
export function diverse<T extends { category: string }>(ranked: T[], k: number, share: number): T[] {
  const taken = new Map<string, number>();
  const chosen: T[] = [];
  const passedOver: T[] = [];
  for (const item of ranked) {
    const count = taken.get(item.category) ?? 0;
    (count < share ? chosen : passedOver).push(item);
    taken.set(item.category, count + 1);
  }
  return [...chosen, ...passedOver].slice(0, k);
}
