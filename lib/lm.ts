import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { createGunzip, gunzipSync } from 'node:zlib';
import { answerOr, decodeNative, type Handle, packStrings } from './decodeNative.js';
import { ctcError, show, typeError } from './errors.js';
import { Code, nativeError } from './native.js';
import { checkOptions, flag, resolveSignal } from './options.js';
import { copyStrings } from './validate.js';

const handles = new WeakMap<LanguageModel, Handle<'model'>>();
const PIECE = 1 << 20;

/**
 * A back-off n-gram language model, read from ARPA text by {@link loadLanguageModel}. Immutable, and
 * shared by any number of calls; freed with the last reference to it.
 */
export class LanguageModel {
  /** The longest n-grams: 3 for a trigram model. */
  readonly order: number;
  /** Words, the special ones included. */
  readonly words: number;
  /** N-grams of all orders. */
  readonly ngrams: number;
  /** Whether `<unk>` is among the words. */
  readonly hasUnknown: boolean;

  /** @internal */
  constructor(handle: Handle<'model'>) {
    handles.set(this, handle);
    const [order, words, ngrams, , , , unknown] = answerOr(decodeNative().modelInfo(handle));
    this.order = order as number;
    this.words = words as number;
    this.ngrams = ngrams as number;
    this.hasUnknown = unknown === 1;
  }

  /**
   * Natural logs of p(word | the words before it), one for each word, and one more for `</s>` with
   * `boundaries` (default: true), which also lets the first word follow `<s>`. NaN for a word outside a
   * model without `<unk>`.
   */
  score(sentence: readonly string[], boundaries = true): Float64Array {
    if (!Array.isArray(sentence)) {
      throw typeError(
        'ERR_CTC_INVALID_ARG_TYPE',
        `sentence must be an array of words, not ${show(sentence)}`,
      );
    }
    const words = copyStrings(sentence, (i, word) =>
      typeError('ERR_CTC_INVALID_ARG_TYPE', `sentence[${i}] must be a word, not ${show(word)}`),
    );
    const { bytes, ends } = packStrings(words);
    const whole = flag(boundaries, 'boundaries', true);
    return answerOr(decodeNative().modelScore(modelHandle(this), bytes, ends, whole));
  }
}

/** The native side of a model. */
export function modelHandle(model: LanguageModel): Handle<'model'> {
  const handle = handles.get(model);
  if (handle === undefined) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      'lm must be a LanguageModel from loadLanguageModel()',
    );
  }
  return handle;
}

/**
 * Reads an ARPA file, plain or gzip-compressed (told by its first bytes), off the event loop.
 * Probabilities and back-off weights are taken from log10 to natural logs. The whole file is read in
 * pieces of 1 MiB; the model takes about 30 bytes for each n-gram.
 *
 * @throws CtcError `ERR_CTC_FILE` for a file that cannot be read, or is broken: the message names the line.
 * The signal's reason after an abort.
 */
export async function loadLanguageModel(
  file: string | URL,
  options?: { readonly signal?: AbortSignal },
): Promise<LanguageModel> {
  const given = checkOptions(options, new Set(['signal']));
  const signal = resolveSignal(given.signal);
  const path = pathOf(file);
  const addon = decodeNative();
  const reader = answerOr(addon.openArpa());
  try {
    for await (const piece of pieces(path, signal)) {
      await check(addon.feedArpa(reader, piece), reader, path);
      signal?.throwIfAborted();
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw fileError(path, error);
  }
  await check(addon.closeArpa(reader), reader, path);
  return new LanguageModel(answerOr(addon.arpaModel(reader)));
}

/** As {@link loadLanguageModel}; returns when it is done. A compressed file is unpacked in memory. */
export function loadLanguageModelSync(file: string | URL): LanguageModel {
  const path = pathOf(file);
  try {
    const opened = openSync(path, 'r');
    try {
      const piece = Buffer.allocUnsafe(PIECE);
      const first = readSync(opened, piece, 0, PIECE, null);
      const begin = piece.subarray(0, first);
      if (!isGzip(begin)) return parse(fromFile(opened, piece, first), path);
      return parse([gunzipSync(Buffer.concat([begin, readFileSync(opened)]))], path);
    } finally {
      closeSync(opened);
    }
  } catch (error) {
    throw fileError(path, error);
  }
}

/** As {@link loadLanguageModel}, from ARPA text that is in memory already (plain, not compressed). */
export function parseLanguageModel(text: string | Uint8Array): LanguageModel {
  if (typeof text !== 'string' && !(text instanceof Uint8Array)) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `text must be a string or a Uint8Array, not ${show(text)}`,
    );
  }
  return parse([typeof text === 'string' ? Buffer.from(text) : text], 'the text');
}

function parse(source: Iterable<Uint8Array>, name: string): LanguageModel {
  const addon = decodeNative();
  const reader = answerOr(addon.openArpa());
  for (const piece of source) {
    const code = addon.feedArpaSync(reader, piece);
    if (code !== Code.ok) throw readerError(code, reader, name);
  }
  const code = addon.closeArpaSync(reader);
  if (code !== Code.ok) throw readerError(code, reader, name);
  return new LanguageModel(answerOr(addon.arpaModel(reader)));
}

function* fromFile(file: number, piece: Buffer, first: number): Generator<Uint8Array> {
  for (let length = first; length > 0; length = readSync(file, piece, 0, PIECE, null)) {
    yield piece.subarray(0, length);
  }
}

async function* pieces(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted();
  const file = await open(path);
  try {
    // Read from the beginning to the end and never back, so that a pipe will do.
    const raw = file.createReadStream({ highWaterMark: PIECE, signal, autoClose: false });
    // An abort is thrown by the iterator; unheard of by anyone, it would end the process.
    raw.on('error', () => {});
    const rest = raw[Symbol.asyncIterator]() as AsyncIterableIterator<Uint8Array>;
    const first = await rest.next();
    if (first.done) return;
    const all = chain(first.value, rest);
    if (!isGzip(first.value)) {
      yield* all;
      return;
    }
    // A failure of the file destroys the last stream of a pipeline, so the loop sees it.
    yield* pipeline(Readable.from(all), createGunzip({ chunkSize: PIECE }), () => {});
  } finally {
    await file.close();
  }
}

async function* chain<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield first;
  yield* rest;
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

async function check(
  answer: number | Promise<number>,
  reader: Handle<'arpa'>,
  name: string,
): Promise<void> {
  const code = await answer;
  if (code !== Code.ok) throw readerError(code, reader, name);
}

function readerError(code: number, reader: Handle<'arpa'>, name: string): Error {
  if (code !== Code.badArgument) return nativeError(code);
  return ctcError('ERR_CTC_FILE', `${name}, ${decodeNative().arpaMessage(reader)}`);
}

function pathOf(file: unknown): string {
  if (typeof file === 'string') return file;
  if (file instanceof URL) return fileURLToPath(file);
  throw typeError(
    'ERR_CTC_INVALID_ARG_TYPE',
    `file must be a path or a file URL, not ${show(file)}`,
  );
}

/** Errors of the file system and of zlib, with the file's name; our own pass. */
function fileError(path: string, error: unknown): unknown {
  const code = (error as { code?: unknown }).code;
  if (typeof code !== 'string' || code.startsWith('ERR_CTC_')) return error;
  const damaged = code.startsWith('Z_');
  return ctcError(
    'ERR_CTC_FILE',
    damaged
      ? `${path} is a damaged or truncated gzip file (${(error as Error).message}); fetch it again`
      : `${path} cannot be read: ${(error as Error).message}`,
    { cause: error },
  );
}
