// The jobs of the stress test: calls of every verb on small random batches, made from a seed, and the
// ways in which a caller can hand its memory over, abort, or take the memory away.

import assert from 'node:assert/strict';
import { createHash, type Hash } from 'node:crypto';
import {
  beamDecode,
  ctcLoss,
  forcedAlign,
  greedyDecode,
  loadLanguageModel,
  parseLanguageModel,
  posteriors,
  type TensorData,
} from '../../lib/index.js';
import { detach } from '../support/batch.js';
import { normal, seeded } from '../support/close.js';
import { type DTypeName, encode } from '../support/half.js';

/** Where the input lies, and what the caller does with it after the call. */
const MODES = [
  'copied',
  'copiedThenDetached',
  'resizable',
  'shared',
  'borrowed',
  'borrowedShared',
  'transferred',
] as const;
export type Mode = (typeof MODES)[number];

interface AsyncOptions {
  signal: AbortSignal | undefined;
  buffers: 'auto' | 'borrow' | 'transfer';
}

/** A call whose answer never changes. */
export interface Work {
  readonly name: string;
  /** The input's numbers; undefined for work that has no tensor. */
  readonly data: TensorData | undefined;
  call(data: TensorData, options: AsyncOptions): Promise<unknown>;
}

const ARPA = `\\data\\
ngram 1=6
ngram 2=3

\\1-grams:
-1.5\t<unk>
-99\t<s>\t-0.4
-0.7\t</s>
-0.6\ta\t-0.2
-0.9\tab\t-0.5
-1.2\tb\t-0.1

\\2-grams:
-0.3\ta b
-0.2\t<s> ab
-0.1\tab </s>

\\end\\
`;

/** The text of a small language model. */
export const languageModelText = ARPA;

/** All kinds of work for a seed. `arpa` is a file that holds {@link languageModelText}. */
export function makeWork(seed: number, arpa: string): Work[] {
  const random = seeded(seed);
  const below = (n: number) => Math.floor(random() * n);
  const work: Work[] = [];

  const batch = (dtype: DTypeName, T: number, N: number, C: number, L: number) => {
    const values = Float64Array.from({ length: T * N * C }, () => 3 * normal(random));
    return {
      data: encode(values, dtype) as TensorData,
      shape: [T, N, C],
      type: dtype,
      targets: Array.from({ length: N }, () =>
        Array.from({ length: below(L + 1) }, () => 1 + below(C - 1)),
      ),
      common: {
        inputLengths: Array.from({ length: N }, () => T - below(3)),
        threads: 1 + below(3),
      },
    };
  };

  for (const dtype of ['float32', 'float64', 'float16', 'bfloat16'] as const) {
    for (const gradient of [true, false]) {
      const { data, shape, type, targets, common } = batch(dtype, 40 + below(60), 4, 30, 20);
      const reduction = (['none', 'sum', 'mean'] as const)[below(3)];
      work.push({
        name: `loss ${dtype}${gradient ? '' : ' alone'}`,
        data,
        call: (given, options) =>
          ctcLoss({ data: given, shape, type }, targets, {
            ...common,
            ...options,
            reduction,
            gradient,
          }),
      });
    }
  }
  // Large enough for several threads to share an utterance, and to be aborted in the middle.
  const large = batch('float32', 600, 2, 120, 90);
  work.push({
    name: 'loss, large',
    data: large.data,
    call: (data, options) =>
      ctcLoss({ data, shape: large.shape }, large.targets, { threads: 3, ...options }),
  });

  for (const star of [undefined, 'anything', 'label'] as const) {
    const { data, shape, targets, common } = batch('float32', 50 + below(50), 3, 20, 15);
    work.push({
      name: `align ${star ?? ''}`,
      data,
      call: (given, options) =>
        forcedAlign({ data: given, shape }, targets, {
          ...common,
          ...options,
          ...(star && { star }),
        }),
    });
  }
  for (const recursions of [false, true]) {
    const { data, shape, targets, common } = batch('float32', 40 + below(40), 3, 20, 12);
    work.push({
      name: `posteriors${recursions ? ' and recursions' : ''}`,
      data,
      call: (given, options) =>
        posteriors({ data: given, shape }, targets, { ...common, ...options, recursions }),
    });
  }

  const tokens = ['', ' ', 'a', 'b'];
  const lm = parseLanguageModel(ARPA);
  const guides = {
    plain: {},
    guided: { lm, lexicon: ['a', 'ab', 'b'], hotwords: ['ab', 'b a'] },
    tokens: { lm, lmUnit: 'token' as const },
  };
  for (const [name, guide] of Object.entries(guides)) {
    const { data, shape, common } = batch('float32', 20 + below(20), 3, 4, 0);
    work.push({
      name: `beam ${name}`,
      data,
      call: (given, options) =>
        beamDecode(
          { data: given, shape },
          { ...common, tokens, beamWidth: 20, topPaths: 3, ...guide, ...options },
        ),
    });
  }
  const greedy = batch('float32', 100, 4, 30, 0);
  work.push({
    name: 'greedy',
    data: greedy.data,
    call: (data, options) => greedyDecode({ data, shape: greedy.shape }, options),
  });
  work.push({
    name: 'language model',
    data: undefined,
    call: async (_, { signal }) => {
      const model = await loadLanguageModel(arpa, signal && { signal });
      return { order: model.order, score: model.score(['a', 'b']) };
    },
  });
  return work;
}

/** A digest of everything in a result but the input that it hands back. */
export function digest(result: unknown): string {
  const hash = createHash('sha1');
  add(hash, result, true);
  return hash.digest('hex');
}

function add(hash: Hash, value: unknown, top: boolean): void {
  if (ArrayBuffer.isView(value)) {
    hash.update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      if (top && key === 'input') continue;
      hash.update(`${key}:`);
      add(hash, inner, false);
    }
  } else {
    hash.update(`${Object.is(value, -0) ? '-0' : String(value)};`);
  }
}

/** How a job went. */
export type Outcome = 'right' | 'aborted';

const REASON = Symbol('the reason of an abort');

/** Runs job `number`; which work, memory and abort it has follows from `seed` and its number. */
export async function runJob(
  number: number,
  seed: number,
  work: readonly Work[],
  expected: readonly string[],
): Promise<Outcome> {
  const random = seeded(Math.imul(seed, 0x9e3779b1) ^ number);
  const which = Math.floor(random() * work.length);
  const mode = MODES[Math.floor(random() * MODES.length)] as Mode;
  const { name, data, call } = work[which] as Work;
  const what = `job ${number} (${name}, ${mode})`;
  const controller = random() < 0.25 ? new AbortController() : undefined;
  const delay = random();
  const given = data === undefined ? new Float32Array() : place(data, mode);
  const promise = call(given, { signal: controller?.signal, buffers: BUFFERS[mode] });
  if (mode === 'copiedThenDetached' && data !== undefined) detach(given);
  if (controller !== undefined) abortAfter(controller, delay);
  let result: unknown;
  try {
    result = await promise;
  } catch (error) {
    const aborted = error === REASON || (error as Error)?.cause === REASON;
    assert.ok(aborted && controller?.signal.aborted, `${what} failed: ${String(error)}`);
    checkBack(error, data, mode, what);
    return 'aborted';
  }
  assert.equal(digest(result), expected[which], `${what} gives another result`);
  checkBack(result, data, mode, what);
  return 'right';
}

const BUFFERS: Record<Mode, AsyncOptions['buffers']> = {
  copied: 'auto',
  copiedThenDetached: 'auto',
  resizable: 'auto',
  shared: 'auto',
  borrowed: 'borrow',
  borrowedShared: 'borrow',
  transferred: 'transfer',
};

type ResizableBuffer = new (bytes: number, options: { maxByteLength: number }) => ArrayBuffer;

/** A copy of the numbers in the kind of memory that the mode is about. */
function place(data: TensorData, mode: Mode): TensorData {
  const bytes = data.byteLength;
  const buffer =
    mode === 'shared' || mode === 'borrowedShared'
      ? new SharedArrayBuffer(bytes)
      : mode === 'resizable'
        ? new (ArrayBuffer as unknown as ResizableBuffer)(bytes, { maxByteLength: 2 * bytes })
        : new ArrayBuffer(bytes);
  new Uint8Array(buffer).set(new Uint8Array(data.buffer, data.byteOffset, bytes));
  return new (data.constructor as Float32ArrayConstructor)(buffer as ArrayBuffer);
}

/** At once, in this turn of the event loop, or some milliseconds later. */
function abortAfter(controller: AbortController, delay: number): void {
  if (delay < 0.3) controller.abort(REASON);
  else if (delay < 0.6) setImmediate(() => controller.abort(REASON));
  else setTimeout(() => controller.abort(REASON), 10 * (delay - 0.6));
}

/** Memory that was given away comes back with the result, or on the error. */
function checkBack(outcome: unknown, data: TensorData | undefined, mode: Mode, what: string): void {
  if (mode !== 'transferred' || data === undefined) return;
  const { input } = outcome as { input?: TensorData };
  // A job that was aborted before it began never took it.
  if (input === undefined) {
    assert.equal(outcome, REASON, `${what} does not hand its input back`);
    return;
  }
  const same = Buffer.from(input.buffer, input.byteOffset, input.byteLength).equals(
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  );
  assert.ok(same, `${what} hands another input back`);
}
