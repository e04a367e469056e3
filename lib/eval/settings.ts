// What a result depends on besides the engine: compared before a run goes on, and before shards
// are merged.

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { packageVersion } from '../here.cjs';
import type { ArraySource } from '../io/source.js';

/** Everything that decides the bytes of the results. No paths: another machine may mount them elsewhere. */
export interface Settings {
  /** Of node-ctc. */
  version: string;
  input: 'logits' | 'logProbs';
  layout: 'TNC' | 'NTC';
  array: string | null;
  blank: number;
  wordDelimiter: string | null;
  worst: number;
  /** SHA-256 of the symbols. */
  tokens: string;
  /** The hash is null for a stream. */
  manifest: { utterances: number; sha256: string | null };
  data: { format: string; utterances: number; classes: number; type: string };
}

export type Choices = Omit<Settings, 'version' | 'tokens' | 'data'> & { symbols: string[] };

export function settingsOf(
  source: Pick<ArraySource, 'format' | 'count' | 'classes'> & { type: string },
  choices: Choices,
): Settings {
  const { symbols, ...rest } = choices;
  return {
    version: packageVersion,
    input: rest.input,
    layout: rest.layout,
    array: rest.array,
    blank: rest.blank,
    wordDelimiter: rest.wordDelimiter,
    worst: rest.worst,
    tokens: createHash('sha256').update(symbols.join('\n')).digest('hex'),
    manifest: rest.manifest,
    data: {
      format: source.format,
      utterances: source.count,
      classes: source.classes,
      type: source.type,
    },
  };
}

/** The first setting in which two runs differ, in words; undefined where they agree. */
export function difference(before: Settings, now: Settings): string | undefined {
  for (const [name, value] of flatten(now)) {
    const earlier = new Map(flatten(before)).get(name);
    if (earlier === value) continue;
    if (name === 'tokens') return 'the tokens are others';
    if (name === 'manifest.sha256') return 'the manifest is another';
    return `${name} was ${earlier} and is ${value}`;
  }
  return undefined;
}

function flatten(settings: object, prefix = ''): [name: string, value: string][] {
  return Object.entries(settings).flatMap(([key, value]) =>
    typeof value === 'object' && value !== null
      ? flatten(value, `${prefix}${key}.`)
      : [[`${prefix}${key}`, JSON.stringify(value) ?? 'unset'] as [string, string]],
  );
}

/**
 * Tells data files from later ones of the same names: a hash of names, sizes and times of change. For a run
 * that goes on, not for merging: copies of files on several machines have other times.
 */
export async function fileStamp(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) {
    // One that is not there costs its own utterances, which reading tells.
    const { size, mtimeMs } = await stat(path).catch(() => ({ size: -1, mtimeMs: -1 }));
    hash.update(`${basename(path)}\n${size}\n${mtimeMs}\n`);
  }
  return hash.digest('hex');
}
