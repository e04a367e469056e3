// The lattices that a shard leaves for the page that its merge makes.

import { readFile } from 'node:fs/promises';
import { fileError, systemError } from '../io/file.js';
import type { Lattice, MaybeLattice } from './lattice.js';
import { writeText } from './outputFile.js';

const format = 'node-ctc lattices 1';

/** A line for each lattice; numbers are little-endian float64 in base64. */
export function writeLattices(path: string, lattices: readonly MaybeLattice[]): void {
  const lines = [{ format }, ...lattices.map(toJson)].map((value) => `${JSON.stringify(value)}\n`);
  writeText(path, lines.join(''));
}

/** Throws `ERR_CTC_FILE` for what `writeLattices` cannot have written. */
export async function readLatticeFile(path: string): Promise<MaybeLattice[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw systemError(path, error);
  }
  try {
    const [first, ...rest] = text.trimEnd().split('\n');
    if ((JSON.parse(first!) as { format?: unknown }).format !== format) throw new RangeError();
    return rest.map((line) => fromJson(JSON.parse(line)));
  } catch (error) {
    throw fileError(path, 'is not the lattices of a shard', 'Evaluate the shard again', error);
  }
}

function toJson(lattice: MaybeLattice): object {
  if ('missing' in lattice) return lattice;
  const { buffer, byteOffset, byteLength } = lattice.logProbs;
  const logProbs = Buffer.from(buffer, byteOffset, byteLength).toString('base64');
  return { ...lattice, logProbs };
}

function fromJson(value: Record<keyof Lattice | 'missing', unknown>): MaybeLattice {
  const { index, missing, frames, labels, symbols, logProbs } = value;
  if (typeof index !== 'number') throw new RangeError('no index');
  if (typeof missing === 'string') return { index, missing };
  const isLabel = (label: unknown) => Number.isInteger(label) && Number(label) > 0;
  if (
    !Number.isInteger(frames) ||
    !Array.isArray(symbols) ||
    !symbols.every((symbol) => typeof symbol === 'string') ||
    !Array.isArray(labels) ||
    !labels.every((label) => isLabel(label) && label < symbols.length) ||
    typeof logProbs !== 'string'
  ) {
    throw new RangeError('not a lattice');
  }
  const bytes = Uint8Array.from(Buffer.from(logProbs, 'base64'));
  if (bytes.length !== 8 * Number(frames) * symbols.length) throw new RangeError('cut');
  const numbers = new Float64Array(bytes.buffer);
  return { index, frames: frames as number, labels, symbols, logProbs: numbers };
}
