// Text line by line, without holding more than one line: files of any length, pipes, standard input.

import { isAscii, isUtf8 } from 'node:buffer';
import { type FileHandle, open } from 'node:fs/promises';
import { fileError, systemError } from './file.js';

export interface Line {
  /** From 1. */
  line: number;
  /** Without its end (LF or CRLF) and without a byte order mark. */
  text: string;
  /** false where the bytes are no UTF-8; `text` has U+FFFD in their place. */
  valid: boolean;
}

const pieceBytes = 2 ** 16;

/**
 * The pieces of a file or named pipe, each in the memory of the one before: a file of gigabytes would leave as much behind
 * for the garbage collector, which does not hurry. Throws `ERR_CTC_FILE`.
 */
export async function* readPieces(path: string): AsyncGenerator<Buffer> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const memory = Buffer.allocUnsafeSlow(pieceBytes);
    for (;;) {
      const { bytesRead } = await file.read(memory, 0, pieceBytes, null);
      if (bytesRead === 0) return;
      yield memory.subarray(0, bytesRead);
    }
  } catch (error) {
    throw systemError(path, error);
  } finally {
    await file?.close();
  }
}

/**
 * The lines of a UTF-8 text; the end of the last one does not begin another. Throws `ERR_CTC_FILE` for UTF-16 and for
 * lines of more than `maxBytes`, after which the rest is not looked at.
 */
export async function* readLines(
  path: string,
  pieces?: AsyncIterable<Buffer>,
  maxBytes?: number,
): AsyncGenerator<Line> {
  for await (const lines of readLineGroups(path, pieces, maxBytes)) {
    for (const line of lines) yield line;
  }
}

/** As `readLines`, those that end in one piece at a time: a promise for each line costs more than the line. */
export async function* readLineGroups(
  path: string,
  pieces: AsyncIterable<Buffer> = readPieces(path),
  maxBytes = 2 ** 24,
): AsyncGenerator<Iterable<Line>> {
  const splitter = new LineSplitter(path, maxBytes);
  for await (const piece of pieces) yield splitter.linesOf(piece);
  const last = splitter.end();
  if (last !== undefined) yield [last];
}

// A class: closures would be new functions for every file, and be compiled and optimised again.
class LineSplitter {
  readonly #path: string;
  readonly #maxBytes: number;
  #line = 0;
  #begun: Buffer[] = [];
  #begunBytes = 0;

  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  /** Decoded as they are asked for: a piece has thousands. */
  *linesOf(piece: Buffer): Generator<Line> {
    let start = 0;
    let encoding: 'latin1' | 'utf8' | undefined;
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, start)) {
      if (this.#begunBytes + end - start > this.#maxBytes) throw this.#tooLong();
      if (start === 0 || encoding === undefined) {
        yield this.#finish(piece.subarray(start, end));
        // The lines that the piece holds whole are checked together.
        if (start === 0) encoding = encodingOf(piece.subarray(end, piece.lastIndexOf(10)));
      } else {
        this.#line += 1;
        const last = end > start && piece[end - 1] === 13 ? end - 1 : end;
        yield { line: this.#line, text: piece.toString(encoding, start, last), valid: true };
      }
      start = end + 1;
    }
    if (start < piece.length) {
      // A copy: the next piece may be in the same memory.
      this.#begun.push(Buffer.from(piece.subarray(start)));
      this.#begunBytes += piece.length - start;
    }
    if (this.#begunBytes > this.#maxBytes) throw this.#tooLong();
  }

  /** The last line, where it has no end. */
  end(): Line | undefined {
    return this.#begunBytes > 0 ? this.#finish(Buffer.alloc(0)) : undefined;
  }

  #finish(last: Buffer): Line {
    const bytes = this.#begun.length === 0 ? last : Buffer.concat([...this.#begun, last]);
    this.#begun = [];
    this.#begunBytes = 0;
    this.#line += 1;
    return decode(this.#path, bytes, this.#line);
  }

  #tooLong(): Error {
    return fileError(
      this.#path,
      `line ${this.#line + 1} is longer than ${this.#maxBytes} bytes`,
      'Is it a text file?',
    );
  }
}

/** How bytes can be decoded quickly; undefined where they are no UTF-8. */
function encodingOf(bytes: Uint8Array): 'latin1' | 'utf8' | undefined {
  if (isAscii(bytes)) return 'latin1';
  return isUtf8(bytes) ? 'utf8' : undefined;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(path: string, bytes: Buffer, line: number): Line {
  let content = bytes.at(-1) === 13 ? bytes.subarray(0, -1) : bytes;
  if (line === 1) {
    const [first, second, third] = content;
    if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
      throw fileError(path, 'is UTF-16 text', 'Save it as UTF-8');
    }
    if (first === 0xef && second === 0xbb && third === 0xbf) content = content.subarray(3);
  }
  try {
    return { line, text: strict.decode(content), valid: true };
  } catch {
    return { line, text: content.toString('utf8'), valid: false };
  }
}
