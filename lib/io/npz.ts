// .npz archives: .npy arrays in a zip, as numpy.savez and numpy.savez_compressed write them. Either one
// array for the batch, or an array of T x C for each utterance under its id.

import { randomBytes } from 'node:crypto';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatchSource } from './batchSource.js';
import { chooseArray } from './container.js';
import { fileError, systemError } from './file.js';
import { inflate, peekInflated } from './inflate.js';
import { KeyIndex } from './keyIndex.js';
import { locatedMatrix } from './locatedMatrix.js';
import { type Matrix, MatrixSource } from './matrixSource.js';
import { locateNpy } from './npy.js';
import { type NpyHeader, npyPrefixBytes, parseNpyHeader, parseNpyPrefix } from './npyHeader.js';
import { torchRemedy } from './pickle.js';
import { PreadFile } from './pread.js';
import type { ArraySource, SourceOptions } from './source.js';
import { transpose } from './transpose.js';
import { ZipDirectory, type ZipMember } from './zip.js';

/** Throws `ERR_CTC_FILE`. Closes `file` with the source, or when it throws. */
export async function openNpz(file: PreadFile, options: SourceOptions): Promise<ArraySource> {
  const archive = new NpzArchive(file, options);
  const chosen = chooseArray(file.path, archive, options);
  if (chosen !== undefined) return archive.batch(chosen, options.layout ?? 'TNC');
  return MatrixSource.open(archive);
}

class NpzArchive {
  readonly format = 'npz';
  readonly paths: readonly string[];
  readonly ids = new KeyIndex();
  readonly warnings: string[] = [];
  readonly #file: PreadFile;
  readonly #directory: ZipDirectory;
  readonly #options: SourceOptions;
  /** The place in the directory of each array. */
  readonly #places: Uint32Array;

  constructor(file: PreadFile, options: SourceOptions) {
    this.#file = file;
    this.paths = [file.path];
    this.#options = options;
    this.#directory = new ZipDirectory(file);
    const { names, count } = this.#directory;
    const places: number[] = [];
    for (let i = 0; i < count; i++) {
      const name = names.at(i);
      if (/(^|\/)data\.pkl$/.test(name)) throw torchArchive(file.path);
      if (!name.endsWith('.npy')) continue;
      this.ids.add(name.slice(0, -'.npy'.length));
      places.push(i);
    }
    this.#places = Uint32Array.from(places);
    if (places.length === 0) {
      throw fileError(file.path, 'has no .npy array in it', 'Write it with numpy.savez');
    }
    if (places.length < count) {
      this.warnings.push(
        `${file.path}: ${count - places.length} members that are no .npy arrays are ignored`,
      );
    }
  }

  /** Names that numpy makes up for nameless arrays are no ids. */
  get keyed(): boolean {
    return this.ids.at(0) !== 'arr_0';
  }

  shape(position: number): readonly number[] {
    return this.#header(position).shape;
  }

  matrix(position: number): Matrix {
    const { name, member, offset } = this.#member(position);
    if (member.method === 0) {
      const { array } = locateNpy(this.#file, offset, member.bytes, this.#options, name);
      return locatedMatrix(array, name);
    }
    const { shape, type, fortranOrder, dataOffset } = this.#header(position);
    if (shape.length !== 2) {
      throw fileError(name, `has the shape (${shape.join(', ')}), not T x C`);
    }
    const [frames, classes] = shape as [number, number];
    const fill = async (view: Uint8Array<ArrayBuffer>): Promise<void> => {
      const target = fortranOrder ? new Uint8Array(view.length) : view;
      let skip = dataOffset;
      let done = 0;
      await inflate(this.#file, offset, member, name, (piece) => {
        const part = piece.subarray(Math.min(skip, piece.length), skip + view.length - done);
        skip = Math.max(0, skip - piece.length);
        target.set(part, done);
        done += part.length;
      });
      if (fortranOrder) transpose(target, view, frames, classes, type);
    };
    return { type, frames, classes, fill };
  }

  /** A member of three axes as a source; a deflated one goes to a temporary file first. */
  async batch(position: number, layout: 'TNC' | 'NTC'): Promise<ArraySource> {
    const { name, member, offset } = this.#member(position);
    // Before anything is inflated.
    this.#header(position);
    const stored =
      member.method === 0
        ? { file: this.#file, offset, close: async () => this.close() }
        : await this.#spool(offset, member, name);
    try {
      const { array } = locateNpy(stored.file, stored.offset, member.bytes, this.#options, name);
      const { warnings } = this;
      const { close } = stored;
      return new BatchSource({
        format: 'npz',
        path: this.paths[0]!,
        array,
        layout,
        warnings,
        close,
      });
    } catch (error) {
      if (stored.file !== this.#file) stored.file.close();
      throw error;
    }
  }

  close(): void {
    this.#file.close();
  }

  #member(position: number): { name: string; member: ZipMember; offset: number } {
    const member = this.#directory.member(this.#places[position]!);
    const name = `${this.#file.path}: ${this.ids.at(position)}`;
    if (member.encrypted) throw fileError(name, 'is encrypted', 'Write it with numpy.savez');
    if (member.method !== 0 && member.method !== 8) {
      throw fileError(
        name,
        `is compressed by method ${member.method}`,
        'Write it with numpy.savez or numpy.savez_compressed',
      );
    }
    if (member.method === 0 && member.bytes !== member.compressedBytes) {
      throw fileError(name, 'is stored in another number of bytes than it has', rewrite);
    }
    return { name, member, offset: this.#directory.dataOffset(member, name) };
  }

  #header(position: number): NpyHeader {
    const { name, member, offset } = this.#member(position);
    if (member.method === 0) {
      return locateNpy(this.#file, offset, member.bytes, this.#options, name).header;
    }
    const start = peekInflated(this.#file, offset, member, name);
    const { headerOffset, headerBytes, encoding } = parseNpyPrefix(
      name,
      start.subarray(0, npyPrefixBytes),
    );
    const text = start.subarray(headerOffset, headerOffset + headerBytes);
    if (text.length < headerBytes) throw fileError(name, 'ends inside its header', rewrite);
    return parseNpyHeader(name, text, headerOffset, encoding, member.bytes, this.#options);
  }

  // Ranges of utterances can only be read from uncompressed data.
  async #spool(
    offset: number,
    member: ZipMember,
    name: string,
  ): Promise<{ file: PreadFile; offset: number; close: () => Promise<void> }> {
    const path = join(tmpdir(), `node-ctc-${randomBytes(8).toString('hex')}.npy`);
    let fd: number | undefined;
    try {
      fd = openSync(path, 'wx', 0o600);
      const target = fd;
      await inflate(this.#file, offset, member, name, (piece) => {
        for (let done = 0; done < piece.length; ) done += writeSync(target, piece, done);
      });
      const file = PreadFile.open(path);
      return {
        file,
        offset: 0,
        close: async () => {
          file.close();
          this.close();
        },
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
        const room = `its ${member.bytes} bytes do not fit into ${tmpdir()}`;
        throw fileError(name, room, 'Set TMPDIR to a larger disk, or save it uncompressed', error);
      }
      throw systemError(name, error);
    } finally {
      if (fd !== undefined) {
        closeSync(fd);
        // It lives on while it is open, and no longer.
        unlinkSync(path);
      }
    }
  }
}

const rewrite = 'Write or download it again';

function torchArchive(path: string): Error {
  return fileError(
    path,
    'is a PyTorch file, which holds pickled objects that can run programs when loaded',
    torchRemedy(path),
  );
}
