// Opens the model outputs that a command is given, and checks what goes with them.

import { fileError } from '../io/file.js';
import { type ArraySource, openSource } from '../io/openSource.js';
import type { SourceOptions } from '../io/source.js';
import { count } from './outputs.js';
import { UsageError } from './usage.js';

export type DataOptions = Pick<SourceOptions, 'array' | 'idColumn' | 'bfloat16'> & {
  layout: 'TNC' | 'NTC';
};

/** Throws `ERR_CTC_FILE`, the signal's reason, and UsageError for names that the data's format has no place for. */
export async function openData(
  paths: readonly string[],
  options: DataOptions,
  signal?: AbortSignal,
): Promise<ArraySource> {
  const { layout, array, bfloat16, idColumn } = options;
  const source = await openSource(paths, { layout, bfloat16, array, idColumn }, signal);
  try {
    checkNames(source, options);
    return source;
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Names that the data's format has no place for would be ignored. */
function checkNames({ format, paths }: ArraySource, { array, idColumn }: DataOptions): void {
  const refuse = (option: string, has: string) => {
    throw new UsageError(
      `${option} does not go with ${paths[0]} (${format}), which has ${has}: leave it out`,
    );
  };
  if (array !== undefined && (format === 'npy' || format === 'kaldi')) {
    refuse('--array', 'no named arrays');
  }
  if (idColumn !== undefined && format !== 'parquet' && format !== 'arrow') {
    refuse('--id-column', 'no columns');
  }
}

/** Without ids, row n belongs to utterance n, so that there must be as many. Throws `ERR_CTC_FILE`. */
export function checkCount(
  source: ArraySource,
  rows: { path: string; count: number },
  layout: 'TNC' | 'NTC',
): void {
  if (source.keyed || rows.count === source.count) return;
  const { shape } = source;
  const read = shape && ` (${shape.join(' x ')}, read as ${shape.length === 2 ? 'T x C' : layout})`;
  const swapped = shape?.length === 3 && shape[layout === 'TNC' ? 0 : 1] === rows.count;
  throw fileError(
    rows.path,
    `has ${count(rows.count, 'row')} and ${source.paths.join(', ')} holds ${count(source.count, 'utterance')}${read ?? ''}`,
    swapped
      ? `With --layout ${layout === 'TNC' ? 'NTC' : 'TNC'} they agree`
      : 'Give one row for each utterance, in the order of the data',
  );
}
