// Reads the packed fixtures that scripts/pack-fixtures.mjs writes: a brotli stream of
//   u32 length of the header | header (JSON) | arrays
// The bytes of an array lie in planes (all first bytes, all second bytes, ...): packs smaller.

import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';

export interface PackedHeader<Meta> {
  meta: Meta;
  arrays: { name: string; dtype: 'float32' | 'float64'; length: number }[];
}

export interface Packed<Meta> {
  meta: Meta;
  arrays: Map<string, Float32Array | Float64Array>;
}

export function readPacked<Meta>(file: string): Packed<Meta> {
  const bytes = brotliDecompressSync(readFileSync(file));
  const headerLength = bytes.readUInt32LE(0);
  const header = JSON.parse(bytes.toString('utf8', 4, 4 + headerLength)) as PackedHeader<Meta>;
  let offset = 4 + headerLength;
  const arrays = new Map<string, Float32Array | Float64Array>();
  for (const { name, dtype, length } of header.arrays) {
    const width = dtype === 'float64' ? 8 : 4;
    const buffer = new Uint8Array(length * width);
    for (let plane = 0; plane < width; plane += 1) {
      for (let i = 0; i < length; i += 1) buffer[i * width + plane] = bytes[offset++]!;
    }
    const View = dtype === 'float64' ? Float64Array : Float32Array;
    arrays.set(name, new View(buffer.buffer));
  }
  return { meta: header.meta, arrays };
}
