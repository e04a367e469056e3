// One matrix of a Kaldi archive: float, double, three compressed kinds, and text.
// http://kaldi-asr.org/doc/io.html and compressed-matrix.h describe the bytes.

import { fileError } from './file.js';
import type { Matrix } from './matrixSource.js';
import type { PreadFile } from './pread.js';

/** A matrix in binary, and where the next entry of the archive begins. */
export interface BinaryMatrix {
  kind: 'FM' | 'DM' | 'CM' | 'CM2' | 'CM3';
  frames: number;
  classes: number;
  /** Of compressed ones: their least value and their range. */
  least: number;
  range: number;
  /** Where the elements (CM: the columns' quartiles) begin. */
  offset: number;
  end: number;
}

// Token, space, and the global header of a compressed matrix.
const headerBytes = 4 + 16;
const rewrite = 'Write it again with copy-feats or copy-matrix';

/** Reads the header of the binary matrix whose "\0B" begins at `start`. Throws `ERR_CTC_FILE`. */
export function locateBinary(file: PreadFile, start: number, name: string): BinaryMatrix {
  const bytes = file.piece(start, 2 + headerBytes);
  if (bytes[0] !== 0 || bytes[1] !== 0x42) {
    throw fileError(name, `has no binary matrix at byte ${start}`, rewrite);
  }
  const token = bytes.toString('latin1', 2, 7).split(' ', 1)[0]!;
  const at = 2 + token.length + 1;
  if (!['FM', 'DM', 'CM', 'CM2', 'CM3'].includes(token)) {
    throw fileError(
      name,
      /^[A-Za-z0-9]{1,4}$/.test(token)
        ? `holds a ${JSON.stringify(token)}, not a matrix`
        : 'holds something else than a matrix',
      'Readable are float, double and compressed matrices',
    );
  }
  const kind = token as BinaryMatrix['kind'];
  const compressed = kind.startsWith('C');
  const needed = at + (compressed ? 16 : 10);
  if (bytes.length < needed) throw cut(name);
  if (!compressed && (bytes[at] !== 4 || bytes[at + 5] !== 4)) {
    throw fileError(name, 'has a size that is no 32-bit number', rewrite);
  }
  const [least, range] = compressed ? [bytes.readFloatLE(at), bytes.readFloatLE(at + 4)] : [0, 0];
  const frames = bytes.readInt32LE(compressed ? at + 8 : at + 1);
  const classes = bytes.readInt32LE(compressed ? at + 12 : at + 6);
  if (frames < 0 || classes < 0) {
    throw fileError(name, `has the shape (${frames}, ${classes}): big-endian or broken`, rewrite);
  }
  const offset = start + needed;
  // Two counts below 2^31 times 8: in bigint beyond 2^53.
  const data =
    BigInt(frames) * BigInt(classes) * BigInt(elementSizes[kind]) +
    BigInt(kind === 'CM' ? 8 * classes : 0);
  const present = file.size - offset;
  if (data > BigInt(present)) {
    throw fileError(
      name,
      `the shape (${frames}, ${classes}) of ${kind} needs ${data} bytes and the file holds ${present}`,
      'It was cut short or its header is wrong: write or download it again',
    );
  }
  return { kind, frames, classes, least, range, offset, end: offset + Number(data) };
}

const elementSizes = { FM: 4, DM: 8, CM: 1, CM2: 2, CM3: 1 };

function cut(name: string): Error {
  return fileError(name, 'ends inside a matrix', 'It was cut short: write or download it again');
}

/** What fills memory with a located matrix. `use` runs a task on the open file. */
export function binaryMatrix(
  found: BinaryMatrix,
  use: (task: (file: PreadFile) => Promise<void>) => Promise<void>,
): Matrix {
  const { kind, frames, classes, offset, end } = found;
  const fill = (view: Uint8Array<ArrayBuffer>): Promise<void> =>
    use(async (file) => {
      if (kind === 'FM' || kind === 'DM') return file.fill(view, offset);
      const packed = new Uint8Array(end - offset);
      await file.fill(packed, offset);
      const values = new Float32Array(view.buffer, view.byteOffset, frames * classes);
      if (kind === 'CM') decompressColumns(found, packed, values);
      else decompressEvenly(found, packed, values);
    });
  return { type: kind === 'DM' ? 'float64' : 'float32', frames, classes, fill };
}

// CM2, CM3: equal steps from the least value on, row by row.
function decompressEvenly(
  { kind, least, range }: BinaryMatrix,
  packed: Uint8Array<ArrayBuffer>,
  values: Float32Array,
): void {
  const steps = kind === 'CM2' ? new Uint16Array(packed.buffer) : packed;
  const step = range / (kind === 'CM2' ? 65535 : 255);
  for (let i = 0; i < values.length; i++) values[i] = least + steps[i]! * step;
}

// CM: column by column, a byte between the column's 0, 25, 75 and 100 % points, which are 16-bit.
function decompressColumns(
  { frames, classes, least, range }: BinaryMatrix,
  packed: Uint8Array<ArrayBuffer>,
  values: Float32Array,
): void {
  const points = new Uint16Array(packed.buffer, 0, 4 * classes);
  const column = new Float64Array(256);
  for (let c = 0; c < classes; c++) {
    const [p0, p25, p75, p100] = Array.from(points.subarray(4 * c, 4 * c + 4), (point) =>
      Math.fround(least + (range / 65535) * point),
    ) as [number, number, number, number];
    for (let byte = 0; byte < 256; byte++) {
      column[byte] =
        byte <= 64
          ? p0 + ((p25 - p0) * byte) / 64
          : byte <= 192
            ? p25 + ((p75 - p25) * (byte - 64)) / 128
            : p75 + ((p100 - p75) * (byte - 192)) / 63;
    }
    const start = 8 * classes + c * frames;
    for (let t = 0; t < frames; t++) values[t * classes + c] = column[packed[start + t]!]!;
  }
}

/**
 * A matrix in text, from after its key to its closing bracket: rows of numbers in lines, " [\n 1 2\n 3 4 ]".
 * Throws `ERR_CTC_FILE`.
 */
export function textMatrix(text: string, name: string): Matrix {
  const found = /^\s*\[([^[\]]*)\]\s*$/.exec(text);
  if (found === null) throw fileError(name, 'is no matrix in brackets', rewrite);
  const lines = found[1]!;
  // Number by number: a list of all words would take many times the text's memory.
  let values = new Float32Array(64);
  let count = 0;
  let frames = 0;
  let classes = 0;
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf('\n', at);
    const line = lines.slice(at, end < 0 ? lines.length : end);
    at += line.length + 1;
    const before = count;
    for (const [word] of line.matchAll(/\S+/g)) {
      if (count === values.length) {
        const more = new Float32Array(2 * count);
        more.set(values);
        values = more;
      }
      values[count++] = parseNumber(word, name);
    }
    const width = count - before;
    if (width === 0) continue;
    if (frames === 0) classes = width;
    if (width !== classes) {
      const what = `has ${width} numbers in row ${frames} and ${classes} in the first`;
      throw fileError(name, what, rewrite);
    }
    frames += 1;
  }
  const bytes = new Uint8Array(values.buffer, 0, 4 * count);
  return { type: 'float32', frames, classes, fill: (view) => view.set(bytes) };
}

function parseNumber(word: string, name: string): number {
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(word);
  if (special !== null) {
    if (special[2]!.toLowerCase() === 'nan') return Number.NaN;
    return special[1] === '-' ? -Infinity : Infinity;
  }
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word)) {
    throw fileError(
      name,
      `has ${JSON.stringify(word.slice(0, 20))} where a number belongs`,
      rewrite,
    );
  }
  return Number(word);
}
