// Folders, globs and lists of files: what is in them, in a stable order.

import { readdirSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileError, systemError } from './file.js';

/** The extensions by which files in a folder are taken for model outputs. */
export const extensions = [
  '.npy',
  '.npz',
  '.safetensors',
  '.ark',
  '.scp',
  '.h5',
  '.hdf5',
  '.parquet',
  '.arrow',
  '.feather',
];

export interface FoundFile {
  path: string;
  /** Below its folder and with / on every system; for a file named itself, its name alone. */
  name: string;
  /** Whether it was found in a folder or by a pattern. */
  listed: boolean;
}

/**
 * The files that `paths` mean, in their order. A folder stands for the files of known formats below it, a path with
 * *, ** or ? for those that match; both in the order of their names' code units. Throws `ERR_CTC_FILE` where there is none.
 */
export function expandPaths(paths: readonly string[]): FoundFile[] {
  return paths.flatMap((path) => {
    let isFolder: boolean;
    try {
      isFolder = statSync(path).isDirectory();
    } catch (error) {
      if (/[*?]/.test(path)) return matchGlob(path);
      throw systemError(path, error);
    }
    if (!isFolder) return [{ path, name: path.split(/[/\\]/).at(-1)!, listed: false }];
    // An archive beside its script would be read twice.
    let names = listFiles(path).filter((name) => extensions.some((each) => name.endsWith(each)));
    if (names.some((name) => name.endsWith('.scp'))) {
      names = names.filter((name) => !name.endsWith('.ark'));
    }
    if (names.length > 0) return found(path, names);
    throw fileError(
      path,
      `has no model outputs in it (${extensions.join(', ')})`,
      'Check the path',
    );
  });
}

function found(folder: string, names: string[]): FoundFile[] {
  return names.map((name) => ({ path: join(folder, name), name, listed: true }));
}

/** Files below a folder, sorted, with / between folders. */
function listFiles(folder: string): string[] {
  const names: string[] = [];
  const pending = [''];
  for (let below = pending.pop(); below !== undefined; below = pending.pop()) {
    try {
      for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
        const name = below === '' ? entry.name : `${below}/${entry.name}`;
        if (entry.name.startsWith('.')) continue;
        if (entry.isDirectory()) pending.push(name);
        else names.push(name);
      }
    } catch (error) {
      throw systemError(join(folder, below), error);
    }
  }
  return names.sort();
}

function matchGlob(pattern: string): FoundFile[] {
  const parts = pattern.split(sep === '\\' ? /[/\\]/ : '/');
  const fixed = parts.findIndex((part) => /[*?]/.test(part));
  const folder = parts.slice(0, fixed).join('/') || (pattern.startsWith('/') ? '/' : '.');
  const matches = toExpression(parts.slice(fixed));
  const names = listFiles(folder).filter((name) => matches.test(name));
  if (names.length === 0) throw fileError(pattern, 'matches no file', 'Check the pattern');
  return found(folder, names);
}

// ** stands for any number of folders, * and ? for characters within one name.
function toExpression(parts: string[]): RegExp {
  const source = parts.map((part, i) => {
    const last = i === parts.length - 1;
    if (part === '**') return last ? '.*' : '(?:[^/]+/)*';
    const escaped = part.replace(/[.+^${}()|[\]\\]/g, '\\$&');
    return escaped.replace(/\*+/g, '[^/]*').replace(/\?/g, '[^/]') + (last ? '' : '/');
  });
  return new RegExp(`^${source.join('')}$`, 'u');
}
