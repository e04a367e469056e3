// The header of a .npy file, format versions 1.0 to 3.0:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
// A header is data from outside: nothing in it is believed before it has been compared with the
// size of the file.

import { fileError, quote } from './file.js';
import { type PythonLiteral, parsePythonLiteral } from './pythonLiteral.js';

export type NpyType = 'float32' | 'float64' | 'float16' | 'bfloat16';

export interface NpyHeader {
  type: NpyType;
  shape: number[];
  /** Whether the first axis lies closest together in the file, not the last. */
  fortranOrder: boolean;
  /** Where the elements begin, in bytes from the start of the file. */
  dataOffset: number;
  /** What the shape and the type need, in bytes. */
  dataBytes: number;
}

export interface NpyOptions {
  /** Reads 16-bit unsigned integers and 2-byte void elements as bfloat16, which .npy cannot name. */
  bfloat16?: boolean;
}

/** Magic, version and the wider of the two length fields. */
export const npyPrefixBytes = 12;

// numpy itself reads at most 10,000 bytes of header unless told otherwise.
const maxHeaderBytes = 65_536;
const maxDimensions = 64;

const bytesPerElement: Record<NpyType, number> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
};

// The array of an archive is named `path.npz: member`.
function pythonSave(path: string, expression: string): string {
  const [, archive, member] = /^(.*\.npz): (.*)$/s.exec(path) ?? [];
  const load =
    member === undefined
      ? `numpy.load(${JSON.stringify(path)})`
      : `numpy.load(${JSON.stringify(archive)})[${JSON.stringify(member)}]`;
  return `Convert it in Python: a = ${load}; numpy.save('fixed.npy', ${expression})`;
}

/**
 * Where the header's text lies, from the first `npyPrefixBytes` bytes of the file (or all of a
 * shorter one).
 */
export function parseNpyPrefix(
  path: string,
  prefix: Uint8Array,
): { headerOffset: number; headerBytes: number; encoding: 'latin1' | 'utf8' } {
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
  if (prefix.length === 0) {
    throw fileError(path, 'is empty', 'Write it again with numpy.save');
  }
  if (!magic.every((byte, i) => prefix[i] === byte)) {
    throw fileError(path, `is not a .npy file: ${describeStart(prefix)}`, remedyFor(prefix));
  }
  if (prefix.length < npyPrefixBytes) {
    throw fileError(path, 'ends inside its header', 'Write or download it again');
  }
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const [major, minor] = [view.getUint8(6), view.getUint8(7)];
  if (major < 1 || major > 3 || minor !== 0) {
    throw fileError(
      path,
      `has .npy format version ${major}.${minor}; versions 1.0, 2.0 and 3.0 are known`,
      'Write it again with numpy.save',
    );
  }
  const headerOffset = major === 1 ? 10 : 12;
  const headerBytes = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (headerBytes > maxHeaderBytes) {
    throw fileError(
      path,
      `claims a header of ${headerBytes} bytes; an array of numbers needs about 120, and at most ${maxHeaderBytes} are read`,
      'Write it again with numpy.save',
    );
  }
  return { headerOffset, headerBytes, encoding: major === 3 ? 'utf8' : 'latin1' };
}

/** Reads the header's text, which begins at `headerOffset` of a file of `fileBytes` bytes. */
export function parseNpyHeader(
  path: string,
  header: Buffer,
  headerOffset: number,
  encoding: 'latin1' | 'utf8',
  fileBytes: number,
  options: NpyOptions = {},
): NpyHeader {
  const fields = parseFields(path, header.toString(encoding));
  const type = parseDescr(path, fields.get('descr'), options);
  const fortranOrder = fields.get('fortran_order');
  if (typeof fortranOrder !== 'boolean') {
    throw fileError(path, "the header's 'fortran_order' is not True or False", rewrite);
  }
  const shape = parseShape(path, fields.get('shape'));
  const dataOffset = headerOffset + header.length;

  // In bigint: a product of legal dimensions can overflow any number.
  const needed = shape.reduce((product, n) => product * n, BigInt(bytesPerElement[type]));
  const present = fileBytes - dataOffset;
  if (needed > BigInt(present)) {
    throw fileError(
      path,
      `the shape (${shape.join(', ')}) of ${type} needs ${needed} bytes and the file holds ${present}`,
      'It was cut short or its header is wrong: write or download it again',
    );
  }
  // An axis can still be absurd beside an axis of length 0.
  const huge = shape.find((n) => n > BigInt(Number.MAX_SAFE_INTEGER));
  if (huge !== undefined) throw fileError(path, `an axis has the length ${huge}`, rewrite);
  return { type, shape: shape.map(Number), fortranOrder, dataOffset, dataBytes: Number(needed) };
}

const rewrite = 'Write it again with numpy.save';

function parseFields(path: string, text: string): Map<string, PythonLiteral> {
  let fields: PythonLiteral;
  try {
    fields = parsePythonLiteral(text);
  } catch (error) {
    throw fileError(path, `the header cannot be read: ${(error as Error).message}`, rewrite, error);
  }
  const expected = ['descr', 'fortran_order', 'shape'];
  if (!(fields instanceof Map) || [...fields.keys()].sort().join() !== expected.join()) {
    throw fileError(path, `the header is not a dict of ${expected.join(', ')}`, rewrite);
  }
  return fields;
}

function parseShape(path: string, shape: PythonLiteral | undefined): bigint[] {
  if (!Array.isArray(shape) || !shape.every((n): n is bigint => typeof n === 'bigint')) {
    throw fileError(path, "the header's 'shape' is not a tuple of integers", rewrite);
  }
  if (shape.length > maxDimensions) {
    throw fileError(path, `the shape has ${shape.length} axes; at most 64 are possible`, rewrite);
  }
  const negative = shape.find((n) => n < 0n);
  if (negative !== undefined) {
    throw fileError(path, `the shape has an axis of the length ${negative}`, rewrite);
  }
  return shape;
}

function parseDescr(
  path: string,
  descr: PythonLiteral | undefined,
  { bfloat16 = false }: NpyOptions,
): NpyType {
  if (Array.isArray(descr)) {
    const fields = descr.map((field) => (Array.isArray(field) ? field[0] : undefined));
    const first = typeof fields[0] === 'string' ? fields[0] : 'name';
    throw fileError(
      path,
      `has a structured dtype with ${fields.length} fields`,
      pythonSave(path, `a[${JSON.stringify(first)}]`),
    );
  }
  const found = typeof descr === 'string' ? /^([<>=|]?)([a-zA-Z])(.*)$/s.exec(descr) : null;
  if (found === null) throw fileError(path, "the header's 'descr' is not a dtype", rewrite);
  const [, order, kind, size] = found;
  const code = `${kind}${size}`;

  if (kind === 'O') {
    throw fileError(
      path,
      'holds Python objects (pickle), which are never loaded',
      "Save one numeric array, in Python: numpy.save('fixed.npy', numpy.stack(list(arrays)).astype('<f4'))",
    );
  }
  const type = knownTypes.get(code);
  const asBfloat16 = code === 'u2' || code === 'V2';
  if (order === '>' && (type !== undefined || asBfloat16)) {
    throw fileError(
      path,
      `holds big-endian numbers (${descr})`,
      pythonSave(path, type ? `a.astype('<${code}')` : 'a.byteswap()'),
    );
  }
  if (bfloat16) {
    if (asBfloat16) return 'bfloat16';
    throw fileError(
      path,
      `holds ${quote(String(descr))} elements, not the 16-bit ones (u2 or V2) that bfloat16 is stored as`,
      'Leave out the bfloat16 option',
    );
  }
  if (type !== undefined) return type;
  throw fileError(
    path,
    `holds ${quote(String(descr))} elements; readable are float32, float64 and float16`,
    asBfloat16
      ? 'If these are bfloat16 numbers, say so with the bfloat16 option (--bfloat16)'
      : pythonSave(path, "a.astype('<f4')"),
  );
}

const knownTypes = new Map<string, NpyType>([
  ['f4', 'float32'],
  ['f8', 'float64'],
  ['f2', 'float16'],
]);

function describeStart(prefix: Uint8Array): string {
  const text = Buffer.from(prefix).toString('latin1');
  if (text.startsWith('PK\u0003\u0004')) return 'it is a zip archive (.npz or .pt)';
  if (text.startsWith('\u0080')) return 'it is a Python pickle';
  if (text.startsWith('\u0089HDF')) return 'it is an HDF5 file';
  if (text.startsWith('PAR1')) return 'it is a Parquet file';
  if (/^[\t\n\r -~]+$/.test(text)) return `it begins with the text ${quote(text)}`;
  const hex = Buffer.from(prefix.subarray(0, 6)).toString('hex');
  return `it begins with the bytes ${hex}, not 934e554d5059`;
}

function remedyFor(prefix: Uint8Array): string {
  const text = Buffer.from(prefix).toString('latin1');
  if (text.startsWith('PK\u0003\u0004') || text.startsWith('\u0080')) {
    return "Save one array, in Python: numpy.save('logits.npy', logits.float().cpu().numpy())";
  }
  if (text.startsWith('version http')) {
    return 'It is the pointer of a file kept in Git LFS: run git lfs pull';
  }
  return 'Write it with numpy.save';
}
