// What a file is, by its first bytes, and by its name only where they do not tell.

import { fileError } from './file.js';
import { pickleRemedy, torchRemedy } from './pickle.js';
import type { PreadFile } from './pread.js';
import type { SourceFormat } from './source.js';

/** Formats as they are on disk. */
export type FileFormat =
  | 'npy'
  | 'npz'
  | 'safetensors'
  | 'ark'
  | 'scp'
  | 'hdf5'
  | 'parquet'
  | 'arrow';

/** Throws `ERR_CTC_FILE` for pickles, and for what is of no known format. */
export function detectFormat(file: PreadFile, asked: SourceFormat | undefined): FileFormat {
  if (asked === 'kaldi') return file.path.endsWith('.scp') ? 'scp' : 'ark';
  if (asked !== undefined && asked !== 'jsonl') return asked;
  const { path } = file;
  const start = file.piece(0, 64);
  const text = start.toString('latin1');
  if (text.startsWith('\u0093NUMPY')) return 'npy';
  if (text.startsWith('PK\u0003\u0004') || text.startsWith('PK\u0005\u0006')) return 'npz';
  if (text.startsWith('\u0089HDF\r\n\u001a\n')) return 'hdf5';
  if (text.startsWith('PAR1')) return 'parquet';
  if (text.startsWith('ARROW1')) return 'arrow';
  if (/^[^\s\0]+ \0B/.test(text)) return 'ark';
  // A JSON object after eight bytes of its length.
  if (text[8] === '{' && (path.endsWith('.safetensors') || start.readUInt32LE(4) === 0)) {
    return 'safetensors';
  }
  if (isPickle(start) || /\.(pkl|pickle|pt|pth)$/.test(path)) {
    const remedy = /\.(pt|pth)$/.test(path) ? torchRemedy(path) : pickleRemedy(path);
    throw fileError(path, 'is a Python pickle, which can run programs when loaded', remedy);
  }
  const byName = named.find(([extension]) => path.endsWith(extension))?.[1];
  if (byName !== undefined) return byName;
  if (/^\S+\s+\[/.test(text)) return 'ark';
  throw fileError(
    path,
    start.length === 0 ? 'is empty' : 'is of no known format',
    'Readable are .npy, .npz, .safetensors, Kaldi .ark and .scp, HDF5, Parquet and Arrow files',
  );
}

const named: [extension: string, format: FileFormat][] = [
  ['.npy', 'npy'],
  ['.npz', 'npz'],
  ['.safetensors', 'safetensors'],
  ['.ark', 'ark'],
  ['.scp', 'scp'],
  ['.h5', 'hdf5'],
  ['.hdf5', 'hdf5'],
  ['.parquet', 'parquet'],
  ['.arrow', 'arrow'],
  ['.feather', 'arrow'],
];

// Protocols 2 to 5 begin with their number; older ones only the name tells.
function isPickle(start: Buffer): boolean {
  return start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5;
}
