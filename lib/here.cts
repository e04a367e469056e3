// CommonJS in both builds, because only `require` and `__dirname` mean the same in them:
// import.meta does not compile for CommonJS, and __dirname does not exist in ES modules.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Loads a native addon, or throws what the system's loader says. */
export const loadAddon = (path: string): unknown => require(path);

function findPackage(): { root: string; version: string } {
  // dist/esm, dist/cjs and build/lib lie at different depths.
  for (let folder = __dirname; folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      if (manifest.name === 'node-ctc') return { root: folder, version: manifest.version };
    } catch {
      // No manifest here: look further up.
    }
  }
  return { root: __dirname, version: 'unknown' };
}

const found = findPackage();

/** The folder of this file's compiled form, below which the other modules lie. */
export const libraryFolder = __dirname;

/** The folder of the package's own package.json. */
export const packageRoot = found.root;

/** The version in it. */
export const packageVersion = found.version;

/** Loads a file of the package's folder of scripts. */
export const loadScript = (name: string): unknown => require(join(packageRoot, 'scripts', name));

/** Imports a package that has ES modules only. */
export const importPackage = <M,>(name: string): Promise<M> =>
  (require(join(packageRoot, 'lib', 'import.cjs')) as (name: string) => Promise<M>)(name);
