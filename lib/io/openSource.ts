// Opens model outputs of any format behind one interface.

import { BatchSource } from './batchSource.js';
import { fileError } from './file.js';
import { locateNpy } from './npy.js';
import { PreadFile } from './pread.js';
import type { ArraySource, SourceOptions } from './source.js';

export type { ArraySource, SourceBatch, SourceOptions } from './source.js';
export { ReadBuffer } from './source.js';

/** Opens the outputs of one model. Throws `ERR_CTC_FILE`; warnings are in the source. */
export async function openSource(
  paths: readonly string[],
  options: SourceOptions = {},
): Promise<ArraySource> {
  if (paths.length !== 1) {
    throw fileError(paths[1] ?? '', 'is a second file', 'Name one file of model outputs');
  }
  const file = await PreadFile.open(paths[0]!);
  try {
    return openNpy(file, options);
  } catch (error) {
    await file.close();
    throw error;
  }
}

function openNpy(file: PreadFile, { layout = 'TNC', bfloat16 }: SourceOptions): ArraySource {
  const { array, header } = locateNpy(file, 0, file.size, { bfloat16 });
  const trailing = file.size - header.dataOffset - header.dataBytes;
  const warnings =
    trailing > 0 ? [`${file.path}: ${trailing} bytes after the array are ignored`] : [];
  const close = () => file.close();
  return new BatchSource({ format: 'npy', path: file.path, array, layout, warnings, close });
}
