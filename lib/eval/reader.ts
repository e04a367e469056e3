// Rows of the manifest with the model outputs that belong to them, as many at a time as a buffer holds.

import type { ManifestRow } from '../io/manifest.js';
import type { ArraySource, ReadBuffer, SourceBatch } from '../io/source.js';
import { fileNamer } from './fileNames.js';

/** The manifest as far as a run needs it: rows by their place. */
export interface Rows {
  readonly path: string;
  readonly count: number;
  /** Row n is utterance n of the source, even where those have ids. */
  readonly inOrder?: boolean;
  /** Rows `start` to `end` (exclusive), some at a time; each part is gone through before the next one is asked for. */
  slice(start: number, end: number): AsyncIterable<Iterable<ManifestRow>>;
}
/** A row, and where its outputs are in the batch; or why they are not. */
export interface ReadRow {
  row: ManifestRow;
  index: number;
  /** Place in the batch's outputs; undefined where there are none. */
  slot: number | undefined;
  fault: { status: 'no-output' | 'unreadable'; reason: string } | undefined;
}

export interface ReadBatch {
  rows: ReadRow[];
  /** undefined where no row has outputs. */
  outputs: SourceBatch | undefined;
  buffer: ReadBuffer;
  bytes: number;
}

// What is known of a row takes some kilobytes until its record is written.
const rowsAtATime = 256;

/** Buffers that wait to be filled. */
export class Buffers {
  readonly #free: ReadBuffer[];
  readonly #waiting: ((buffer: ReadBuffer) => void)[] = [];

  constructor(buffers: ReadBuffer[]) {
    this.#free = buffers;
  }

  take(): Promise<ReadBuffer> {
    const buffer = this.#free.pop();
    if (buffer !== undefined) return Promise.resolve(buffer);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(buffer: ReadBuffer): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }
}

/** Where the outputs of row `index` are in the source; undefined where they are not. */
export function positionOf(
  source: ArraySource,
  { inOrder }: Rows,
  id: string,
  index: number,
): number | undefined {
  return source.keyed && !inOrder ? source.find(id) : index;
}

/**
 * Reads the utterances `start` to `end` of the manifest. Whoever gets a batch gives its buffer back.
 * Only what concerns no single utterance is thrown, and the reason of `signal`.
 */
export async function* readBatches(
  source: ArraySource,
  rows: Rows,
  start: number,
  end: number,
  buffers: Buffers,
  signal?: AbortSignal,
): AsyncGenerator<ReadBatch> {
  let index = start;
  const unreadable = faultsOf(source.paths);
  // Rows that are parsed and not yet in a batch.
  let window: ReadRow[] = [];
  const slots: (number | undefined)[] = [];
  let most = rowsAtATime;
  let ended = false;
  const parts = rows.slice(start, end)[Symbol.asyncIterator]();
  let part: Iterator<ManifestRow> = [].values();
  try {
    for (;;) {
      while (!ended && window.length < rowsAtATime) {
        const { value: row, done } = part.next();
        if (done) {
          const next = await parts.next();
          ended = next.done === true;
          if (!next.done) part = next.value[Symbol.iterator]();
          continue;
        }
        const position = positionOf(source, rows, row.id, index);
        const fault = position === undefined && row.fault === undefined ? noOutput : undefined;
        window.push({ row, index, slot: undefined, fault });
        slots.push(position);
        index += 1;
      }
      if (window.length === 0) return;

      const buffer = await buffers.take();
      let outputs: SourceBatch | undefined;
      let taken = 0;
      while (outputs === undefined && taken < window.length) {
        if (slots[taken] === undefined) {
          taken += 1;
          continue;
        }
        const asked = slots.slice(taken).filter((slot) => slot !== undefined);
        try {
          outputs = await source.read(asked.slice(0, most), buffer, signal);
          most = Math.min(rowsAtATime, 2 * most);
        } catch (error) {
          if ((error as { code?: string }).code !== 'ERR_CTC_FILE') throw error;
          // One at a time, until it is known which cannot be read.
          if (most === 1 || asked.length === 1) {
            window[taken]!.fault = unreadable((error as Error).message);
            taken += 1;
          }
          most = 1;
        }
      }
      const count = outputs?.shape[1] ?? 0;
      for (let slot = 0; slot < count; taken++) {
        if (slots[taken] === undefined) continue;
        const fault = outputs!.faults[slot];
        if (fault !== undefined) window[taken]!.fault = unreadable(fault);
        window[taken]!.slot = slot++;
      }
      slots.splice(0, taken);
      const bytes = outputs?.data.byteLength ?? 0;
      const batch = { rows: window.slice(0, taken), outputs, buffer, bytes };
      window = window.slice(taken);
      yield batch;
    }
  } finally {
    await parts.return?.();
  }
}

/** Makes faults of what readers say of files at `paths`. */
export function faultsOf(paths: readonly string[]) {
  const name = fileNamer(paths);
  return (reason: string) => ({ status: 'unreadable', reason: name(reason) }) as const;
}

const noOutput = { status: 'no-output', reason: 'the data has no utterance of this id' } as const;
