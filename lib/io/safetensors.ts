// .safetensors files: a JSON header of names, types, shapes and places, then the tensors.
// https://github.com/huggingface/safetensors/blob/main/README.md

import type { TensorType } from '../tensor.js';
import { BatchSource } from './batchSource.js';
import { chooseArray } from './container.js';
import { fileError, quote } from './file.js';
import { parseJson } from './json.js';
import { KeyIndex } from './keyIndex.js';
import { LocatedArray } from './located.js';
import { locatedMatrix } from './locatedMatrix.js';
import { type Matrix, type MatrixFile, MatrixSource } from './matrixSource.js';
import type { PreadFile } from './pread.js';
import { type ArraySource, elementBytes, type SourceOptions } from './source.js';

// The format's own limit.
const maxHeaderBytes = 100_000_000;
const maxAxes = 64;

const types = new Map<string, TensorType>([
  ['F32', 'float32'],
  ['F64', 'float64'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
]);

interface Tensor {
  name: string;
  dtype: string;
  shape: readonly number[];
  begin: number;
  end: number;
}

/** Throws `ERR_CTC_FILE`. */
export async function openSafetensors(
  file: PreadFile,
  options: SourceOptions,
): Promise<ArraySource> {
  const archive = new TensorFile(file, options);
  const chosen = chooseArray(file.path, archive, options);
  if (chosen === undefined) return MatrixSource.open(archive);
  return new BatchSource({
    format: 'safetensors',
    path: file.path,
    array: archive.array(chosen),
    layout: options.layout ?? 'TNC',
    warnings: archive.warnings,
    close: async () => archive.close(),
  });
}

class TensorFile implements MatrixFile {
  readonly format = 'safetensors';
  readonly paths: readonly string[];
  readonly ids = new KeyIndex();
  readonly keyed = true;
  readonly warnings: string[] = [];
  readonly #file: PreadFile;
  readonly #tensors: Tensor[];
  readonly #start: number;
  readonly #bfloat16: boolean;

  constructor(file: PreadFile, { bfloat16 = false }: SourceOptions) {
    this.#file = file;
    this.paths = [file.path];
    this.#bfloat16 = bfloat16;
    const { text, start } = readHeader(file);
    this.#start = start;
    this.#tensors = parseTensors(file, text, file.size - start);
    for (const { name } of this.#tensors) this.ids.add(name);
    if (this.#tensors.length === 0) throw fileError(file.path, 'has no tensor in it', rewrite);
  }

  shape(position: number): readonly number[] {
    return this.array(position).shape;
  }

  array(position: number): LocatedArray {
    const { name, dtype, shape, begin } = this.#tensors[position]!;
    const type = this.#bfloat16 && dtype === 'U16' ? 'bfloat16' : types.get(dtype);
    if (type === undefined) {
      throw fileError(
        `${this.#file.path}: ${name}`,
        `holds ${quote(dtype)} elements; readable are F32, F64, F16 and BF16`,
        'Save it as floats',
      );
    }
    return new LocatedArray(this.#file, this.#start + begin, type, shape, false);
  }

  matrix(position: number): Matrix {
    const array = this.array(position);
    return locatedMatrix(array, `${this.#file.path}: ${this.ids.at(position)}`);
  }

  close(): void {
    this.#file.close();
  }
}

const rewrite = 'Write it again with safetensors.save_file';

function readHeader(file: PreadFile): { text: string; start: number } {
  const prefix = file.piece(0, 8);
  if (prefix.length < 8) throw fileError(file.path, 'ends inside its header', rewrite);
  const bytes = prefix.readBigUInt64LE(0);
  if (bytes > BigInt(maxHeaderBytes)) {
    const claim = `claims a header of ${bytes} bytes; at most ${maxHeaderBytes} are possible`;
    throw fileError(file.path, claim, 'It is broken, or no .safetensors file');
  }
  const header = file.piece(8, Number(bytes));
  if (header.length < Number(bytes)) throw fileError(file.path, 'ends inside its header', rewrite);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
    return { text, start: 8 + header.length };
  } catch (error) {
    throw fileError(file.path, 'its header is not UTF-8 text', rewrite, error);
  }
}

/** The tensors in the order of the file; together they cover its data exactly. */
function parseTensors(file: PreadFile, text: string, dataBytes: number): Tensor[] {
  const { path } = file;
  let fields: unknown;
  try {
    fields = parseJson(text);
  } catch (error) {
    throw fileError(path, `its header is not JSON (${(error as Error).message})`, rewrite, error);
  }
  if (!isObject(fields)) throw fileError(path, 'its header is not a JSON object', rewrite);
  const tensors: Tensor[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (name === '__metadata__') continue;
    tensors.push(parseTensor(path, name, value));
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  for (const tensor of tensors) {
    if (tensor.begin !== end) {
      const what = tensor.begin < end ? 'overlaps another tensor' : 'leaves a hole before it';
      throw fileError(path, `the tensor ${quote(tensor.name)} ${what}`, rewrite);
    }
    end = tensor.end;
  }
  if (end !== dataBytes) {
    const shorter = dataBytes < end;
    throw fileError(
      path,
      `its tensors need ${end} bytes and the file holds ${dataBytes}`,
      shorter ? 'It was cut short: write or download it again' : rewrite,
    );
  }
  return tensors;
}

function parseTensor(path: string, name: string, value: unknown): Tensor {
  const fail = (problem: string): never => {
    throw fileError(path, `the tensor ${quote(name)} ${problem}`, rewrite);
  };
  if (!isObject(value)) return fail('is not described by an object');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') return fail('has no dtype');
  if (!isCounts(shape) || shape.length > maxAxes) return fail('has a shape that is none');
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    return fail('has data_offsets that are none');
  }
  const type = types.get(dtype);
  const [begin, end] = offsets as [number, number];
  if (type !== undefined) {
    // In bigint: a product of legal axes can overflow any number.
    const needed = shape.reduce((product, n) => product * BigInt(n), BigInt(elementBytes(type)));
    if (needed !== BigInt(end - begin)) {
      return fail(`needs ${needed} bytes for (${shape.join(', ')}) and has ${end - begin}`);
    }
  }
  return { name, dtype, shape, begin, end };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
