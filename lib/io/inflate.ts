// Deflated members of an archive, inflated piece by piece into memory of a known size. The checksum is
// compared too: the member is dressed as a gzip stream, which zlib checks itself.

import { Readable } from 'node:stream';
import { constants, createGunzip, inflateRawSync } from 'node:zlib';
import { fileError, isCtcError } from './file.js';
import type { PreadFile } from './pread.js';
import type { ZipMember } from './zip.js';

const pieceBytes = 2 ** 18;
// Enough for the header of an array, even if it hardly shrank; at most a MB comes out of it.
const peekBytes = 1024;
const gzipHeader = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);

/** The first bytes of a member whose compressed bytes begin at `offset`, as many as its first 1024 give. */
export function peekInflated(
  file: PreadFile,
  offset: number,
  member: ZipMember,
  name: string,
): Buffer {
  try {
    const piece = file.piece(offset, Math.min(peekBytes, member.compressedBytes));
    return inflateRawSync(piece, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    throw broken(name, error);
  }
}

/**
 * Inflates a whole member: `sink` gets one piece after the other, and never more than the member's
 * `bytes`. Throws `ERR_CTC_FILE` where the stream is broken, of another size or checksum.
 */
export async function inflate(
  file: PreadFile,
  offset: number,
  member: ZipMember,
  name: string,
  sink: (piece: Buffer) => void,
): Promise<void> {
  function* compressed(): Generator<Buffer> {
    yield gzipHeader;
    for (let done = 0; done < member.compressedBytes; done += pieceBytes) {
      yield file.piece(offset + done, Math.min(pieceBytes, member.compressedBytes - done));
    }
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(member.crc, 0);
    trailer.writeUInt32LE(member.bytes % 2 ** 32, 4);
    yield trailer;
  }

  let done = 0;
  try {
    const source = Readable.from(compressed(), { objectMode: false });
    const inflated = source.pipe(createGunzip({ chunkSize: pieceBytes }));
    // A pipe does not hand errors on.
    source.on('error', (error) => inflated.destroy(error));
    for await (const piece of inflated as AsyncIterable<Buffer>) {
      done += piece.length;
      if (done > member.bytes) throw fileError(name, 'is larger than its archive says', again);
      sink(piece);
    }
  } catch (error) {
    throw broken(name, error);
  }
  if (done < member.bytes) throw fileError(name, 'is smaller than its archive says', again);
}

const again = 'Write or download it again';

function broken(name: string, error: unknown): unknown {
  if (isCtcError(error)) return error;
  return fileError(
    name,
    `its compressed data is broken (${(error as Error).message})`,
    again,
    error,
  );
}
