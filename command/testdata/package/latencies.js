// How long queries take, one after the other.

// numbers makes the same vectors each time.
function* numbers(seed) {
  for (;;) {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    yield (seed >>> 0) / 2 ** 32 - 0.5;
  }
}

// latencies returns the milliseconds of each query. The clock of a Worker has whole ones.
export async function latencies(query, count, dimensions = 768) {
  const random = numbers(1);
  const vectors = Array.from({ length: count }, () => Array.from({ length: dimensions }, () => random.next().value));
  for (const vector of vectors.slice(0, 50)) await query(vector); // connections are open then, and the code is compiled
  const took = [];
  for (const vector of vectors) {
    const began = performance.now();
    const { matches } = await query(vector);
    took.push(performance.now() - began);
    if (matches.length !== 10) throw new Error(`${matches.length} matches`);
  }
  return took;
}
