// Text line by line, without holding more than one line: files of any length, pipes, standard input.

import { isAscii, isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
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

/** The pieces of a file or named pipe. Throws `ERR_CTC_FILE`. */
export async function* readPieces(path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path, { highWaterMark: pieceBytes });
  } catch (error) {
    throw systemError(path, error);
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
  let line = 0;
  let begun: Buffer[] = [];
  let begunBytes = 0;

  const finish = (last: Buffer): Line => {
    const bytes = begun.length === 0 ? last : Buffer.concat([...begun, last]);
    begun = [];
    begunBytes = 0;
    line += 1;
    return decode(path, bytes, line);
  };

  // Decoded as they are asked for: a piece has thousands.
  function* linesOf(piece: Buffer): Generator<Line> {
    let start = 0;
    let encoding: 'latin1' | 'utf8' | undefined;
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, start)) {
      if (begunBytes + end - start > maxBytes) throw tooLong(path, line + 1, maxBytes);
      if (start === 0 || encoding === undefined) {
        yield finish(piece.subarray(start, end));
        // The lines that the piece holds whole are checked together.
        if (start === 0) encoding = encodingOf(piece.subarray(end, piece.lastIndexOf(10)));
      } else {
        line += 1;
        const last = end > start && piece[end - 1] === 13 ? end - 1 : end;
        yield { line, text: piece.toString(encoding, start, last), valid: true };
      }
      start = end + 1;
    }
    if (start < piece.length) {
      begun.push(piece.subarray(start));
      begunBytes += piece.length - start;
    }
    if (begunBytes > maxBytes) throw tooLong(path, line + 1, maxBytes);
  }

  for await (const piece of pieces) yield linesOf(piece);
  if (begunBytes > 0) yield [finish(Buffer.alloc(0))];
}

function tooLong(path: string, line: number, maxBytes: number): Error {
  return fileError(path, `line ${line} is longer than ${maxBytes} bytes`, 'Is it a text file?');
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
