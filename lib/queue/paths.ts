// Paths as Redis holds them: absolute, or below a root that may lie elsewhere on every machine.

import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { ctcError, rangeError } from '../errors.js';
import { WrongWorker } from './failures.js';
import type { RunFiles } from './spec.js';

/**
 * The files of a run for Redis. Without a root their paths are made absolute; with one they are kept relative to it,
 * and must lie below it.
 *
 * @throws RangeError `ERR_CTC_INVALID_ARG_VALUE`.
 */
export function storeFiles(files: RunFiles, root: string | undefined): RunFiles {
  return mapFiles(files, (path) => {
    const absolute = resolve(path);
    if (root === undefined) return absolute;
    const below = relative(resolve(root), absolute);
    if (!leaves(below)) return below.split(sep).join('/');
    throw rangeError('ERR_CTC_INVALID_ARG_VALUE', `${path} does not lie below the root, ${root}`);
  });
}

/**
 * Where the files of a run are on this machine. With a root nothing outside of it is read or written, whatever
 * Redis says; symbolic links are followed.
 *
 * @throws WrongWorker; CtcError `ERR_CTC_QUEUE` for a path outside of the root.
 */
export function findFiles(files: RunFiles, root: string | undefined): RunFiles {
  return mapFiles(files, (path) => {
    if (root === undefined) {
      if (isAbsolute(path)) return path;
      throw new WrongWorker(
        `the run was added with a root, below which ${path} lies, and this worker has none: start it with the root`,
      );
    }
    const absolute = isAbsolute(path) ? path : join(resolve(root), path);
    if (!leaves(relative(resolve(root), absolute))) return absolute;
    throw ctcError('ERR_CTC_QUEUE', `${path} does not lie below this worker's root, ${root}`);
  });
}

function leaves(below: string): boolean {
  return below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below);
}

function mapFiles(files: RunFiles, map: (path: string) => string): RunFiles {
  const { data, manifest, tokens, out, html } = files;
  return {
    data: data.map(map),
    manifest: map(manifest),
    tokens: map(tokens),
    out: map(out),
    ...(html !== undefined && { html: map(html) }),
  };
}
