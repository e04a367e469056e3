// Many .npy files of T x C, one for each utterance, under the names of their files.

import { fileError } from './file.js';
import type { FoundFile } from './folder.js';
import { KeyIndex, stemOf } from './keyIndex.js';
import { LocatedArray } from './located.js';
import { locatedMatrix } from './locatedMatrix.js';
import { MatrixSource } from './matrixSource.js';
import { locateNpy } from './npy.js';
import { FilePool } from './pread.js';
import type { ArraySource, SourceOptions } from './source.js';

/** Files are opened as they are needed. Throws `ERR_CTC_FILE`. */
export function openFileList(
  files: readonly FoundFile[],
  options: SourceOptions,
): Promise<ArraySource> {
  const ids = new KeyIndex();
  const pool = new FilePool();
  for (const { name, path } of files) {
    if (ids.add(stemOf(name)) === undefined) continue;
    throw fileError(path, `is the second file with the id ${stemOf(name)}`, 'Rename one of them');
  }
  return MatrixSource.open({
    format: 'npy',
    paths: files.map(({ path }) => path),
    ids,
    keyed: true,
    warnings: [],
    async matrix(position) {
      const { path } = files[position]!;
      const found = await pool.use(path, (file) => locateNpy(file, 0, file.size, options).array);
      const { offset, type, shape, fortranOrder } = found;
      const matrix = locatedMatrix(found, path);
      // The file may have been closed and be opened again by then.
      matrix.fill = (view) =>
        pool.use(path, (file) => {
          const array = new LocatedArray(file, offset, type, shape, fortranOrder);
          return locatedMatrix(array, path).fill(view);
        });
      return matrix;
    },
    close: () => pool.close(),
  });
}
