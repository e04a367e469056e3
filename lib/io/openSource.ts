// Opens model outputs of any format behind one interface.

import { BatchSource } from './batchSource.js';
import { fileError } from './file.js';
import { expandPaths, type FoundFile } from './folder.js';
import { locateNpy } from './npy.js';
import { PreadFile } from './pread.js';
import type { ContainedFormat } from './readerChild.js';
import { detectFormat, type FileFormat } from './sniff.js';
import type { ArraySource, SourceOptions } from './source.js';

export type { ArraySource, SourceBatch, SourceFormat, SourceOptions } from './source.js';
export { ReadBuffer } from './source.js';

/**
 * Opens the outputs of one model: a file, several in their order, folders, patterns with *, ** and ?. What a file is
 * its first bytes say, not its name. Several .npy files of two axes are one utterance each, under the files' names.
 * Throws `ERR_CTC_FILE`, and the reason of `signal` where that ends what could take long; what is odd but no error is in
 * the source's `warnings`.
 */
export async function openSource(
  paths: readonly string[],
  options: SourceOptions = {},
  signal?: AbortSignal,
): Promise<ArraySource> {
  const files = expandPaths(paths);
  if (files.length === 0) throw fileError('model outputs', 'no file is named');
  if (files.length === 1 && !files[0]!.listed) return openFile(files[0]!.path, options, signal);
  if (await areUtterances(files, options)) {
    const { openFileList } = await import('./fileList.js');
    return openFileList(files, options);
  }
  if (files.length === 1) return openFile(files[0]!.path, options, signal);
  const { ConcatSource } = await import('./concatSource.js');
  const sources: ArraySource[] = [];
  try {
    for (const { path } of files) sources.push(await openFile(path, options, signal));
    return new ConcatSource(sources);
  } catch (error) {
    await Promise.all(sources.map((source) => source.close()));
    throw error;
  }
}

/** Whether the first of several .npy files that can be read holds one utterance. */
async function areUtterances(files: FoundFile[], options: SourceOptions): Promise<boolean> {
  if (!files.every(({ path }) => path.endsWith('.npy'))) return false;
  let failure: unknown;
  for (const { path } of files) {
    let file: PreadFile | undefined;
    try {
      file = PreadFile.open(path);
      return locateNpy(file, 0, file.size, options).array.shape.length === 2;
    } catch (error) {
      failure ??= error;
    } finally {
      file?.close();
    }
  }
  throw failure;
}

async function openFile(
  path: string,
  options: SourceOptions,
  signal: AbortSignal | undefined,
): Promise<ArraySource> {
  signal?.throwIfAborted();
  const file = PreadFile.open(path);
  try {
    return await openers[detectFormat(file, options.format)](file, options, signal);
  } catch (error) {
    file.close();
    throw error;
  }
}

// Each reader is loaded when a file of its format is there.
const openers: Record<
  FileFormat,
  (file: PreadFile, options: SourceOptions, signal?: AbortSignal) => Promise<ArraySource>
> = {
  npy: async (file, options) => openNpy(file, options),
  npz: async (file, options) => (await import('./npz.js')).openNpz(file, options),
  safetensors: async (file, options) =>
    (await import('./safetensors.js')).openSafetensors(file, options),
  ark: async (file) => (await import('./kaldi.js')).openArk(file),
  scp: async (file) => (await import('./kaldi.js')).openScp(file),
  hdf5: openContained('hdf5'),
  parquet: openContained('parquet'),
  arrow: openContained('arrow'),
};

function openContained(format: ContainedFormat) {
  return async (file: PreadFile, options: SourceOptions, signal?: AbortSignal) => {
    const { ContainedSource } = await import('./contained.js');
    return ContainedSource.open(file, format, options, { signal });
  };
}

function openNpy(file: PreadFile, { layout = 'TNC', bfloat16 }: SourceOptions): ArraySource {
  const { array, header } = locateNpy(file, 0, file.size, { bfloat16 });
  const trailing = file.size - header.dataOffset - header.dataBytes;
  const warnings =
    trailing > 0 ? [`${file.path}: ${trailing} bytes after the array are ignored`] : [];
  const close = async () => file.close();
  return new BatchSource({ format: 'npy', path: file.path, array, layout, warnings, close });
}
