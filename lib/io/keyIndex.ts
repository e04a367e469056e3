// Ids of utterances and their positions, compactly: a million ids of 20 characters take about 40 MB,
// half of what a Map of strings does.

import { randomInt } from 'node:crypto';

/** The arrays of an index, to which nothing is added any more. */
export interface PackedKeys {
  bytes: Uint8Array;
  ends: Float64Array;
  table: Uint32Array;
  seed: number;
}

/** Strings in the order in which they were added, found by position or by value in O(1). */
export class KeyIndex {
  #bytes: Buffer = Buffer.alloc(1024);
  /** Where the key of each position ends in `#bytes`. */
  #ends: Float64Array = new Float64Array(64);
  /** Open addressing: positions + 1 of distinct keys, 0 where free. */
  #table: Uint32Array = new Uint32Array(128);
  #count = 0;
  #distinct = 0;
  /** So that nobody can prepare ids that all fall into one place of the table. */
  #seed = randomInt(2 ** 32);

  /** The index of another process. */
  static of({ bytes, ends, table, seed }: PackedKeys): KeyIndex {
    const index = new KeyIndex();
    index.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    index.#ends = ends;
    index.#table = table;
    index.#count = ends.length;
    index.#seed = seed;
    return index;
  }

  /** The same memory, without what is not used of it. */
  pack(): PackedKeys {
    const bytes = this.#bytes.subarray(0, this.#start(this.#count));
    const ends = this.#ends.subarray(0, this.#count);
    return { bytes, ends, table: this.#table, seed: this.#seed };
  }

  get count(): number {
    return this.#count;
  }

  /** Appends a key. Returns the position of an equal earlier one, which `find` goes on finding. */
  add(key: string): number | undefined {
    const start = this.#start(this.#count);
    const length = Buffer.byteLength(key);
    if (start + length > this.#bytes.length) {
      // Not filled with zeros, so that what is not used takes no memory.
      const bytes = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, start + length));
      bytes.set(this.#bytes.subarray(0, start));
      this.#bytes = bytes;
    }
    this.#bytes.write(key, start);
    if (this.#count === this.#ends.length) {
      const ends = new Float64Array(2 * this.#count);
      ends.set(this.#ends);
      this.#ends = ends;
    }
    this.#ends[this.#count] = start + length;
    const position = this.#count;
    this.#count += 1;

    const place = this.#place(this.#bytes, start, start + length);
    if (this.#table[place] !== 0) return this.#table[place]! - 1;
    this.#table[place] = position + 1;
    this.#distinct += 1;
    if (2 * this.#distinct > this.#table.length) this.#grow();
    return undefined;
  }

  /** The first position of a key. */
  find(key: string): number | undefined {
    const bytes = Buffer.from(key);
    const entry = this.#table[this.#place(bytes, 0, bytes.length)]!;
    return entry === 0 ? undefined : entry - 1;
  }

  at(position: number): string {
    return this.#bytes.toString('utf8', this.#start(position), this.#ends[position]);
  }

  #start(position: number): number {
    return position === 0 ? 0 : this.#ends[position - 1]!;
  }

  /** Where the table holds the key `bytes[start, end)`, or the free place for it. */
  #place(bytes: Buffer, start: number, end: number): number {
    const mask = this.#table.length - 1;
    let place = hash(bytes, start, end, this.#seed) & mask;
    while (true) {
      const entry = this.#table[place]!;
      if (entry === 0) return place;
      const from = this.#start(entry - 1);
      const to = this.#ends[entry - 1]!;
      if (to - from === end - start && this.#bytes.compare(bytes, start, end, from, to) === 0) {
        return place;
      }
      place = (place + 1) & mask;
    }
  }

  #grow(): void {
    const entries = this.#table.filter((entry) => entry !== 0);
    this.#table = new Uint32Array(2 * this.#table.length);
    const mask = this.#table.length - 1;
    for (const entry of entries) {
      let place =
        hash(this.#bytes, this.#start(entry - 1), this.#ends[entry - 1]!, this.#seed) & mask;
      while (this.#table[place] !== 0) place = (place + 1) & mask;
      this.#table[place] = entry;
    }
  }
}

// FNV-1a, then the finalizer of MurmurHash3, since the table uses the low bits.
function hash(bytes: Buffer, start: number, end: number, seed: number): number {
  let value = (0x811c9dc5 ^ seed) | 0;
  for (let i = start; i < end; i++) value = Math.imul(value ^ bytes[i]!, 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/**
 * The position of an id in `index`: the whole id, or else, where it is a path, without its extension and then without
 * one leading folder after the other: `data/a/b.wav` is also `data/a/b`, `a/b` and `b`.
 */
export function findId(index: KeyIndex, id: string): number | undefined {
  const exact = index.find(id);
  if (exact !== undefined) return exact;
  const stem = stemOf(id);
  let rest = stem;
  while (true) {
    const found = rest === id ? undefined : index.find(rest);
    if (found !== undefined) return found;
    const slash = rest.search(/[/\\]/);
    if (slash < 0) return undefined;
    rest = rest.slice(slash + 1);
  }
}

/** A path without the extension of its file. */
export function stemOf(path: string): string {
  return path.replace(/(?<=[^/\\])\.[^./\\\s]*$/, '');
}
