import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ctcError } from './errors.js';
import { loadAddon, packageRoot } from './here.cjs';

/** Counts changes of what lib/native.ts and native/binding/ say to each other. */
const INTERFACE = 5;

/** The environment variable that names the one binary to load. */
export const BINARY_VARIABLE = 'NODE_CTC_BINARY';

/** A loaded addon and the file it came from. */
export interface Loaded<Addon> {
  readonly addon: Addon;
  readonly path: string;
}

/**
 * Loads the native addon: `prebuilds/<platform>-<arch>/ctc.node`, then `build/Release/ctc.node`, or
 * only the file that NODE_CTC_BINARY names.
 *
 * @throws CtcError `ERR_CTC_NATIVE_LOAD`, listing every attempt and the way out.
 */
export function loadNative<Addon>(): Loaded<Addon> {
  const attempts: string[] = [];
  const forced = process.env[BINARY_VARIABLE];
  const paths = forced ? [resolve(forced)] : candidates();
  for (const path of paths) {
    if (!existsSync(path)) {
      attempts.push(`${path}: not there`);
      continue;
    }
    try {
      const addon = loadAddon(path) as { interfaceVersion?: unknown };
      if (addon.interfaceVersion === INTERFACE) return { addon: addon as Addon, path };
      attempts.push(`${path}: built for another version of node-ctc`);
    } catch (error) {
      attempts.push(`${path}: ${firstLine(error)}`);
    }
  }
  const fix = forced
    ? `Point ${BINARY_VARIABLE} at a working ctc.node, or unset it.`
    : 'Build it on this machine with `npx node-ctc build` (needs a C++ compiler and Python 3).';
  throw ctcError(
    'ERR_CTC_NATIVE_LOAD',
    `node-ctc found no native addon for ${platformName()} (Node ${process.version}). Tried:\n` +
      `${attempts.map((line) => `  ${line}`).join('\n')}\n${fix}`,
  );
}

/** Name of the folder below prebuilds/ for this platform: `linux-x64`, `linux-x64-musl`. */
export function platformName(): string {
  return `${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`;
}

function candidates(): string[] {
  return [
    join(packageRoot, 'prebuilds', platformName(), 'ctc.node'),
    join(packageRoot, 'build', 'Release', 'ctc.node'),
  ];
}

function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  const arch = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch;
  // The report knows for certain but takes milliseconds; a glibc system may have musl as well.
  if (!existsSync(`/lib/ld-musl-${arch}.so.1`)) return false;
  const report = process.report?.getReport() as
    | { header?: { glibcVersionRuntime?: string } }
    | undefined;
  return report?.header?.glibcVersionRuntime === undefined;
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0] as string;
}
