/**
 * Reads the stream of a model: lines such as `data: {"response":"Hel"}`, and `data: [DONE]` at the end.
 * Chunks of a stream begin and end anywhere, so a line may come in two of them.
 *
 * A stream that ends without [DONE] has broken off; that is an error, so that nobody takes half an answer for a whole one.
 */
export async function* tokensOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice("data:".length).trim();
      if (data === "[DONE]") return;
      const frame = JSON.parse(data) as { response?: string | number | null };
      const token = String(frame.response ?? ""); // a token such as 7 comes as a number from some models
      if (token) yield token;
    }
  }
  throw new Error("the model's answer broke off");
}

/** Sends what a generator yields, no faster than it is read. A reader who goes away ends the generator. */
export function streamOf(parts: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await parts.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      await parts.return(undefined);
    },
  });
}
