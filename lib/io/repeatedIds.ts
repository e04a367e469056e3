// Which ids are there more than once, among any number of them and without holding them, in two passes.
// The first keeps a few bits of each id (Bloom 1970, "Space/time trade-offs in hash coding with allowable
// errors") and the hash of every id that may have been there before. The second holds the ids of these hashes
// alone and compares them letter by letter, so that the answer is exact.

import { randomInt } from 'node:crypto';
import type { EarlierLines } from './manifest.js';

// 16 bits for each id and 6 of them set: about one id in 5,000 is held for nothing.
const bitsEach = 16;
const probes = 6;
const firstIds = 2 ** 16;
// The hashes have 32 bits.
const mostIds = 2 ** 32 / bitsEach;

// So that nobody can prepare ids with equal hashes.
const seed = randomInt(2 ** 32);

/** A Bloom filter for so many ids. */
class Filter {
  readonly #bits: Uint32Array;
  readonly #mask: number;
  room: number;

  constructor(ids: number) {
    this.#bits = new Uint32Array((ids * bitsEach) / 32);
    this.#mask = ids * bitsEach - 1;
    this.room = ids;
  }

  get bytes(): number {
    return this.#bits.byteLength;
  }

  has({ high, low }: Hash): boolean {
    for (let i = 0, at = low; i < probes; i++, at += high) {
      const bit = (at & this.#mask) >>> 0;
      if ((this.#bits[bit >>> 5]! & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }

  add({ high, low }: Hash): void {
    for (let i = 0, at = low; i < probes; i++, at += high) {
      const bit = (at & this.#mask) >>> 0;
      this.#bits[bit >>> 5]! |= 1 << (bit & 31);
    }
    this.room -= 1;
  }
}

/** Ids by two passes over them: 2 to 4 bytes each during the first, nothing but the repeated ones after it. */
export class RepeatedIds {
  /** Each twice as large as the one before. */
  #filters: Filter[] = [new Filter(firstIds)];
  readonly #suspects = new Set<number>();
  readonly #hash = new Hash();

  /** Memory that the first pass takes, without that for ids that are there twice. */
  get bytes(): number {
    return this.#filters.reduce((sum, filter) => sum + filter.bytes, 0);
  }

  /** The first pass: every id, in any order. */
  note(id: string): void {
    const hash = this.#hash.of(id);
    for (const filter of this.#filters) {
      if (!filter.has(hash)) continue;
      this.#suspects.add(hash.key);
      return;
    }
    let last = this.#filters.at(-1)!;
    if (last.room === 0) {
      const ids = Math.min(mostIds, firstIds * 2 ** this.#filters.length);
      last = new Filter(ids);
      this.#filters.push(last);
    }
    last.add(hash);
  }

  /** Ends the first pass and lets go of what it needed. */
  seal(): void {
    this.#filters = [];
  }

  /** For one second pass: the same ids in the same order. */
  lines(): EarlierLines {
    const lines = new Map<string, number>();
    return {
      add: (id, line) => {
        if (this.#suspects.size === 0 || !this.#suspects.has(this.#hash.of(id).key))
          return undefined;
        const earlier = lines.get(id);
        if (earlier === undefined) lines.set(id, line);
        return earlier;
      },
    };
  }
}

/** 64 bits of an id; used again for the next one. */
class Hash {
  /** Odd, so that steps of it reach every bit of a filter. */
  high = 1;
  low = 0;

  of(id: string): this {
    let [low, high] = [(0x811c9dc5 ^ seed) | 0, seed];
    for (let i = 0; i < id.length; i++) {
      const unit = id.charCodeAt(i);
      low = Math.imul(low ^ unit, 0x01000193);
      high = Math.imul((high << 13) | (high >>> 19), 5) + unit;
    }
    this.low = mix(low);
    this.high = mix(high ^ id.length) | 1;
    return this;
  }

  /** 53 of the bits, which a number holds. */
  get key(): number {
    return (this.high & 0x1fffff) * 2 ** 32 + (this.low >>> 0);
  }
}

// The finalizer of MurmurHash3.
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
