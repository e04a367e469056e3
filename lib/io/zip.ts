// The directory of a zip archive, as .npz files are, read by pread: what the members are called and
// where they lie. Of the format only what numpy and other savers of arrays write: stored and deflated
// members, zip64. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT

import { fileError } from './file.js';
import { KeyIndex } from './keyIndex.js';
import type { PreadFile } from './pread.js';

/** One member, as the directory describes it. */
export interface ZipMember {
  /** Where the member's local header is. */
  offset: number;
  /** 0 is stored, 8 is deflated. */
  method: number;
  encrypted: boolean;
  crc: number;
  compressedBytes: number;
  bytes: number;
}

const endSignature = 0x06054b50;
const end64Signature = 0x06064b50;
const locator64Signature = 0x07064b50;
const entrySignature = 0x02014b50;
const localSignature = 0x04034b50;

const endBytes = 22;
const locatorBytes = 20;
const end64Bytes = 56;
const entryBytes = 46;
const localBytes = 30;
const pieceBytes = 2 ** 20;
// Deflate repeats at most 258 bytes for every 2 bits.
const greatestRatio = 1032;

const broken = 'Write or download it again';

/** The members of an archive, compactly: a million take about 100 MB with their names. */
export class ZipDirectory {
  readonly names = new KeyIndex();
  readonly #file: PreadFile;
  readonly #fields: Float64Array;

  /** Throws `ERR_CTC_FILE` for a directory that is broken or does not fit the file. */
  constructor(file: PreadFile) {
    this.#file = file;
    const { start, bytes, entries } = findDirectory(file);
    this.#fields = new Float64Array(entries * fieldCount);
    this.#readEntries(start, start + bytes, entries);
    this.#checkOverlap(start);
  }

  get count(): number {
    return this.names.count;
  }

  member(position: number): ZipMember {
    const [offset, method, encrypted, crc, compressedBytes, bytes] = this.#fields.subarray(
      position * fieldCount,
      (position + 1) * fieldCount,
    ) as unknown as [number, number, number, number, number, number];
    return { offset, method, encrypted: encrypted !== 0, crc, compressedBytes, bytes };
  }

  /** Where the (compressed) bytes of a member begin. Throws `ERR_CTC_FILE`. */
  dataOffset(member: ZipMember, name: string): number {
    const local = this.#file.piece(member.offset, localBytes);
    if (local.length < localBytes || local.readUInt32LE(0) !== localSignature) {
      throw fileError(name, 'is not where the archive says', broken);
    }
    const start = member.offset + localBytes + local.readUInt16LE(26) + local.readUInt16LE(28);
    if (start + member.compressedBytes > this.#file.size) {
      throw fileError(name, 'lies beyond the end of the archive', broken);
    }
    return start;
  }

  #readEntries(start: number, end: number, entries: number): void {
    const { path } = this.#file;
    let piece: Buffer = Buffer.alloc(0);
    let at = start;
    let inPiece = 0;
    // At least `bytes` from `at` on, which the directory has.
    const need = (bytes: number): void => {
      if (at + bytes > end) throw fileError(path, 'its zip directory is cut short', broken);
      if (inPiece + bytes <= piece.length) return;
      piece = this.#file.piece(at, Math.min(Math.max(bytes, pieceBytes), end - at));
      inPiece = 0;
      if (piece.length < bytes) throw fileError(path, 'its zip directory is cut short', broken);
    };
    for (let i = 0; i < entries; i++) {
      need(entryBytes);
      if (piece.readUInt32LE(inPiece) !== entrySignature) {
        throw fileError(path, `its zip directory is broken at member ${i}`, broken);
      }
      const nameBytes = piece.readUInt16LE(inPiece + 28);
      const extraBytes = piece.readUInt16LE(inPiece + 30);
      const total = entryBytes + nameBytes + extraBytes + piece.readUInt16LE(inPiece + 32);
      need(total);
      const entry = piece.subarray(inPiece, inPiece + total);
      this.#addEntry(entry, nameBytes, extraBytes, i);
      at += total;
      inPiece += total;
    }
  }

  #addEntry(entry: Buffer, nameBytes: number, extraBytes: number, i: number): void {
    const { path } = this.#file;
    // Bit 11 says UTF-8; numpy's names are ASCII or UTF-8 in any case.
    const name = entry.toString('utf8', entryBytes, entryBytes + nameBytes);
    const wide = findZip64(entry.subarray(entryBytes + nameBytes).subarray(0, extraBytes));
    let inWide = 0;
    const widen = (value: number): number => {
      if (value !== 0xffffffff || wide === undefined) return value;
      if (inWide + 8 > wide.length) throw fileError(path, `"${name}" has a broken entry`, broken);
      inWide += 8;
      return Number(wide.readBigUInt64LE(inWide - 8));
    };
    const bytes = widen(entry.readUInt32LE(24));
    const compressedBytes = widen(entry.readUInt32LE(20));
    const offset = widen(entry.readUInt32LE(42));
    if (offset + localBytes + compressedBytes > this.#file.size) {
      throw fileError(path, `its member "${name}" would lie beyond the end of the file`, broken);
    }
    const method = entry.readUInt16LE(10);
    if (method === 8 && bytes > compressedBytes * greatestRatio + 64) {
      throw fileError(
        path,
        `its member "${name}" claims ${bytes} bytes in ${compressedBytes} compressed ones, which is impossible`,
        broken,
      );
    }
    if (this.names.add(name) !== undefined) {
      throw fileError(path, `has two members "${name}"`, broken);
    }
    const encrypted = entry.readUInt16LE(8) & 1;
    const crc = entry.readUInt32LE(16);
    this.#fields.set([offset, method, encrypted, crc, compressedBytes, bytes], i * fieldCount);
  }

  // Members that share bytes are how a small archive becomes an endless one.
  #checkOverlap(directoryStart: number): void {
    const order = Uint32Array.from({ length: this.count }, (_, i) => i).sort(
      (a, b) => this.#fields[a * fieldCount]! - this.#fields[b * fieldCount]!,
    );
    let end = 0;
    for (const i of order) {
      const { offset, compressedBytes } = this.member(i);
      if (offset < end || offset + localBytes + compressedBytes > directoryStart) {
        const name = this.names.at(i);
        throw fileError(this.#file.path, `its member "${name}" overlaps another part`, broken);
      }
      end = offset + localBytes + compressedBytes;
    }
  }
}

const fieldCount = 6;

function findDirectory(file: PreadFile): { start: number; bytes: number; entries: number } {
  // The last record ends the file but for a comment.
  const tailStart = Math.max(0, file.size - endBytes - 0xffff);
  const tail = file.piece(tailStart, file.size - tailStart);
  let at = tail.length - endBytes;
  while (
    at >= 0 &&
    (tail.readUInt32LE(at) !== endSignature ||
      at + endBytes + tail.readUInt16LE(at + 20) > tail.length)
  ) {
    at -= 1;
  }
  if (at < 0) throw fileError(file.path, 'has no zip directory: it was cut short', broken);
  let entries = tail.readUInt16LE(at + 10);
  let bytes = tail.readUInt32LE(at + 12);
  let start = tail.readUInt32LE(at + 16);
  let limit = tailStart + at;

  const locator = file.piece(Math.max(0, limit - locatorBytes), locatorBytes);
  if (limit >= locatorBytes && locator.readUInt32LE(0) === locator64Signature) {
    const place = Number(locator.readBigUInt64LE(8));
    const wide = place < file.size ? file.piece(place, end64Bytes) : Buffer.alloc(0);
    if (wide.length < end64Bytes || wide.readUInt32LE(0) !== end64Signature) {
      throw fileError(file.path, 'has a broken zip64 directory', broken);
    }
    entries = Number(wide.readBigUInt64LE(32));
    bytes = Number(wide.readBigUInt64LE(40));
    start = Number(wide.readBigUInt64LE(48));
    limit = place;
  }
  if (start + bytes > limit || entries * entryBytes > bytes) {
    throw fileError(file.path, 'its zip directory does not fit into it', broken);
  }
  return { start, bytes, entries };
}

/** The content of the zip64 field among an entry's extra fields. */
function findZip64(extra: Buffer): Buffer | undefined {
  let at = 0;
  while (at + 4 <= extra.length) {
    const bytes = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1) return extra.subarray(at + 4, at + 4 + bytes);
    at += 4 + bytes;
  }
  return undefined;
}
