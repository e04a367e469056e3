// Reasons of unreadable utterances are results, so they must not tell where a machine keeps its files, or the same
// run has other bytes from another folder, on another machine, or as a shard.

import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';

/**
 * Renames the file that a reader's message begins with (`path: problem`), from its path to the part of it below the
 * innermost folder that holds all of `paths`: of one file its name, of a folder what is below it.
 * What lies elsewhere, such as an archive that a Kaldi script names, keeps its path.
 */
export function fileNamer(paths: readonly string[]): (message: string) => string {
  let folder: string | undefined;
  return (message) => {
    // Of a million files only once one of them is at fault.
    folder ??= commonFolder(paths);
    // A path may have a colon and a space in it.
    for (let end = message.indexOf(': '); end >= 0; end = message.indexOf(': ', end + 1)) {
      const below = relative(folder, resolve(message.slice(0, end)));
      const names = below.split(sep);
      if (below !== '' && names[0] !== '..' && !isAbsolute(below)) {
        return names.join('/') + message.slice(end);
      }
    }
    return message;
  };
}

function commonFolder(paths: readonly string[]): string {
  const folders = new Set(paths.map((path) => dirname(resolve(path))));
  let [common = sep, ...others] = [...folders];
  for (const folder of others) {
    while (!isWithin(folder, common)) common = dirname(common);
  }
  return common;
}

function isWithin(folder: string, outer: string): boolean {
  return folder === outer || folder.startsWith(outer.endsWith(sep) ? outer : outer + sep);
}
