// Kaldi tables: archives (.ark), where each matrix comes after its key, in binary or text; and scripts
// (.scp), lines of a key and a place "file:offset". Commands in a script ("... |") are never run.

import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { fileError, quote } from './file.js';
import { binaryMatrix, locateBinary, textMatrix } from './kaldiMatrix.js';
import { KeyIndex } from './keyIndex.js';
import { readLines } from './lines.js';
import { type Matrix, MatrixSource } from './matrixSource.js';
import { NumberList } from './numberList.js';
import { FilePool, type PreadFile } from './pread.js';
import type { ArraySource } from './source.js';

const rewrite = 'Write it again with copy-feats or copy-matrix';
// No key is longer, and one read takes it in.
const keyBytes = 1024;
const pieceBytes = 2 ** 16;
// As text; some 30 million numbers.
const maxTextBytes = 2 ** 28;
const mostWarnings = 10;

/** Opens one archive. Walks through it once, from header to header. Throws `ERR_CTC_FILE`. */
export function openArk(file: PreadFile): Promise<ArraySource> {
  const ids = new KeyIndex();
  const starts = new NumberList();
  const warnings: string[] = [];
  const parts = { format: 'kaldi', paths: [file.path], ids, keyed: true, warnings } as const;
  const close = () => file.close();
  const name = (position: number) => `${file.path}: ${ids.at(position)}`;
  // Where the text of a matrix ends; -1 for a binary one.
  const ends = new NumberList();
  for (let at = 0; at < file.size; ) {
    const key = readKey(file, at);
    if (key === undefined) break;
    const start = key.end;
    const binary = isBinary(file, start);
    const end = binary ? -1 : findTextEnd(file, start);
    if (end === undefined) {
      const problem = `has no matrix of an archive at byte ${start}`;
      if (ids.count === 0) throw fileError(file.path, problem, rewrite);
      warnings.push(fileError(file.path, problem, 'What follows is not read').message);
      break;
    }
    if (ids.add(key.text) !== undefined) warnRepeated(warnings, file.path, key.text);
    starts.add(start);
    ends.add(end);
    try {
      at = binary ? locateBinary(file, start, name(ids.count - 1)).end : end;
    } catch {
      // It is this utterance's fault, and where the next one begins is not known.
      warnings.push(`${file.path}: what follows ${key.text} is not read`);
      break;
    }
  }
  if (ids.count === 0) throw fileError(file.path, 'has no matrix in it', rewrite);

  const matrix = (position: number): Matrix => {
    const [start, end] = [starts.at(position), ends.at(position)];
    if (end >= 0) return readText(file, start, end, name(position));
    return binaryMatrix(locateBinary(file, start, name(position)), (task) => task(file));
  };
  return MatrixSource.open({ ...parts, matrix, close });
}

/** Opens a script. Its archives are opened as they are needed. Throws `ERR_CTC_FILE`. */
export async function openScp(script: PreadFile): Promise<ArraySource> {
  const { path } = script;
  script.close();
  const ids = new KeyIndex();
  const places = new NumberList();
  const archives = new KeyIndex();
  const archiveOf = new NumberList();
  const warnings: string[] = [];
  for await (const { text, line, valid } of readLines(path)) {
    if (text.trim() === '') continue;
    if (!valid) throw fileError(path, `line ${line} is not UTF-8 text`, 'Save it as UTF-8');
    const found = /^\s*(\S+)\s+(.*\S)\s*$/.exec(text);
    if (found === null) {
      throw fileError(path, `line ${line} is no key and place: ${quote(text)}`, rewrite);
    }
    const [, key, place] = found as unknown as [string, string, string];
    if (place.endsWith('|') || place.startsWith('|')) {
      throw fileError(
        path,
        `line ${line} is a command, which is never run: ${quote(place)}`,
        'Run it yourself, with copy-feats or copy-matrix to an archive',
      );
    }
    if (place.endsWith(']')) {
      throw fileError(
        path,
        `line ${line} asks for a part of a matrix: ${quote(place)}`,
        'Write the parts to an archive with copy-feats',
      );
    }
    if (ids.add(key) !== undefined) warnRepeated(warnings, path, key);
    const [, archive, offset] = /^(.*?)(?::(\d+))?$/.exec(place)!;
    places.add(offset === undefined ? -1 : Number(offset));
    archiveOf.add(archives.find(archive!) ?? addTo(archives, archive!));
  }
  if (ids.count === 0) throw fileError(path, 'has no line', rewrite);

  // As Kaldi, from the working folder; a script that was moved with its archives is found too.
  const base = existsSync(archives.at(0)) ? '' : dirname(path);
  const pool = new FilePool();
  const matrix = (position: number): Promise<Matrix> => {
    const named = archives.at(archiveOf.at(position));
    const archive = isAbsolute(named) ? named : join(base, named);
    const name = `${archive}: ${ids.at(position)}`;
    return pool.use(archive, (file) => {
      // A matrix without an offset is the whole of its file.
      const start = Math.max(0, places.at(position));
      if (isBinary(file, start)) {
        const found = locateBinary(file, start, name);
        return binaryMatrix(found, (task) => pool.use(archive, task));
      }
      const end = findTextEnd(file, start);
      if (end === undefined) throw fileError(name, `has no matrix at byte ${start}`, rewrite);
      return readText(file, start, end, name);
    });
  };
  const close = () => pool.close();
  const parts = { format: 'kaldi', paths: [path], ids, keyed: true, warnings } as const;
  return MatrixSource.open({ ...parts, matrix, close });
}

function addTo(index: KeyIndex, key: string): number {
  index.add(key);
  return index.count - 1;
}

function warnRepeated(warnings: string[], path: string, key: string): void {
  if (warnings.length < mostWarnings) {
    warnings.push(`${path}: ${quote(key)} is there twice; the first is used`);
  }
}

function isBinary(file: PreadFile, start: number): boolean {
  const bytes = file.piece(start, 2);
  return bytes[0] === 0 && bytes[1] === 0x42;
}

/** The key at `at`, after spaces, and where its matrix begins; undefined at the end of the file. */
function readKey(file: PreadFile, at: number): { text: string; end: number } | undefined {
  let start = at;
  let bytes = file.piece(start, keyBytes);
  const skipped = bytes.findIndex((byte) => !isSpace(byte));
  if (skipped < 0) return undefined;
  if (skipped > 0) {
    start += skipped;
    bytes = file.piece(start, keyBytes);
  }
  const length = bytes.findIndex(isSpace);
  if (length < 0) {
    const where = `has no key of an archive at byte ${start}`;
    throw fileError(file.path, where, 'Readable are Kaldi archives of matrices');
  }
  return { text: bytes.toString('utf8', 0, length), end: start + length + 1 };
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}

/** Where the text of a matrix in brackets ends; undefined where there is none. */
function findTextEnd(file: PreadFile, start: number): number | undefined {
  let opened = false;
  // Small at first: an archive may have millions of small ones.
  let next = keyBytes;
  for (let at = start; at < file.size && at - start < maxTextBytes; ) {
    const bytes = file.piece(at, next);
    next = Math.min(4 * next, pieceBytes);
    if (bytes.length === 0) return undefined;
    if (!opened) {
      const first = bytes.findIndex((byte) => !isSpace(byte));
      if (first >= 0 && bytes[first] !== 0x5b) return undefined;
      opened = first >= 0;
    }
    const close = bytes.indexOf(0x5d);
    if (close >= 0) return at + close + 1;
    at += bytes.length;
  }
  return undefined;
}

function readText(file: PreadFile, start: number, end: number, name: string): Matrix {
  return textMatrix(file.piece(start, end - start).toString('latin1'), name);
}
