// JSON from outside. V8 ends the process when its heap is full, and no error can be caught then: text that could
// come to so much is refused before it is parsed.

import { getHeapStatistics } from 'node:v8';

// Shorter text fits whatever it holds.
const shortText = 2 ** 18;
// What V8 needs at most for each of these characters, with the garbage of the parsing: an empty object or array
// and its place in another, a property whose name is like no other, an element, half a string.
const bytesFor: Readonly<Record<string, number>> = { '{': 64, '[': 64, ':': 128, ',': 16, '"': 16 };
const costs = Uint8Array.from(
  { length: 128 },
  (_, code) => bytesFor[String.fromCharCode(code)] ?? 0,
);

/** As `JSON.parse`; throws a RangeError for text whose value might not fit into memory. */
export function parseJson(text: string): unknown {
  if (text.length > shortText) {
    const most = getHeapStatistics().heap_size_limit / 2;
    const bytes = bytesOf(text);
    if (bytes > most) {
      const [needed, limit] = [bytes, most].map((each) => Math.ceil(each / 2 ** 20));
      throw new RangeError(
        `${text.length} characters of JSON that may take ${needed} MiB, and Node's heap has ${limit} for them ` +
          '(--max-old-space-size)',
      );
    }
  }
  return JSON.parse(text);
}

function bytesOf(text: string): number {
  let bytes = 2 * text.length;
  for (let i = 0; i < text.length; i++) bytes += costs[text.charCodeAt(i)] ?? 0;
  return bytes;
}
