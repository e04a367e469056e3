// Where the fuzzing of readers begins: small good files of every kind, and the words of their formats.

import { deflateRawSync, gzipSync } from 'node:zlib';
import { npyBytes } from '../io.helpers.js';
import { bytesOf, kaldiBytes, safetensorsBytes, zipBytes } from '../support/formats.js';

const numbers = Float32Array.from({ length: 12 }, (_, i) => i - 6);
const npy = npyBytes({ shape: [2, 2, 3], data: numbers });
const flat = npyBytes({ shape: [4, 3], data: numbers });
const fortran = npyBytes({ shape: [3, 4], fortranOrder: true, data: numbers });
const half = npyBytes({ descr: '<f2', shape: [2, 3], data: new Uint16Array(6), version: 2 });
const swapped = npyBytes({ descr: '>f8', shape: [2, 3], data: new Float64Array(6), version: 3 });
const pairs = { shape: [4, 3], dtype: 'F32', data_offsets: [0, 48] };

/** See isPart in readers.ts. */
const whole = (bytes: Buffer) => Buffer.concat([Buffer.of(0), bytes]);
const part = (bytes: Buffer | string, kind = 0) =>
  Buffer.concat([Buffer.of(128 + kind), Buffer.from(bytes as string)]);
const named = (extension: number, text: string) =>
  Buffer.concat([Buffer.of(extension), Buffer.from(text)]);

const arpa = `\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.5
-0.8\t</s>
-0.6\ta\t-0.3

\\2-grams:
-0.4\t<s> a
-0.2\ta </s>

\\end\\
`;

export const inputs = {
  npy: [
    ...[npy, flat, fortran, half, swapped].map(whole),
    part("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n012345678901234567890123"),
    part("{'descr': '|V2', 'fortran_order': True, 'shape': (3, 2, 1)}\n012345678901", 1),
  ],
  npz: [
    whole(
      zipBytes([
        { name: 'a.npy', data: flat },
        { name: 'b.npy', data: fortran, packed: deflateRawSync(fortran) },
      ]),
    ),
    whole(zipBytes([{ name: 'a.npy', data: npy, zip64: true }], true)),
    part(npy, 0),
    part(flat, 1),
    part(half, 1),
  ],
  safetensors: [
    whole(safetensorsBytes({ a: pairs, __metadata__: { by: 'x' } }, bytesOf(numbers))),
    part(`${JSON.stringify({ a: pairs })}\n${'0'.repeat(48)}`),
    part(`{"é":{"dtype":"BF16","shape":[1,2,2],"data_offsets":[0,8]}}\n01234567`),
    part(
      `{"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},"b":{"dtype":"I64","shape":[],"data_offsets":[4,12]}}\n012345678901`,
    ),
  ],
  ark: [
    kaldiBytes('utt', 'FM', 4, 3, bytesOf(numbers)),
    Buffer.concat([
      kaldiBytes('a', 'DM', 1, 2, Buffer.alloc(16)),
      kaldiBytes('b', 'DM', 2, 2, Buffer.alloc(32)),
    ]),
    kaldiBytes('utt', 'CM', 4, 2, Buffer.alloc(24), [0, 1]),
    kaldiBytes('utt', 'CM2', 2, 2, Buffer.alloc(8), [0, 1]),
    kaldiBytes('utt', 'CM3', 2, 2, Buffer.alloc(4), [0, 1]),
    Buffer.from('utt  [\n  1 2.5 -inf\n  -3e2 nan 4 ]\nvtt  [ 1 2 3 ]\n'),
  ],
  scp: [
    Buffer.from('utt good.ark:4\n'),
    Buffer.from('a good.ark:4\nb good.ark:4[0:1]\nc none.ark\n'),
    Buffer.from('a ./good.ark:4 \r\nb /nowhere/x.ark:12\n'),
  ],
  manifest: [
    named(0, '{"id":"a","text":"x y","frames":3}\n{"id":"b","text":"","frames":4}\n'),
    named(0, '{"audio_filepath":"/a/b.wav","text":"x","duration":1.5}\n'),
    named(1, 'id,text,frames\na,"x ""y"", z",3\nb,,4\n'),
    named(1, 'path,sentence\na.mp3,"two\nlines"\n'),
    named(2, 'id\ttext\tframes\r\na\tx y\t3\r\n'),
    named(3, 'utt-1 x y z\nutt-2\n\nutt-3 é\n'),
  ],
  jsonl: [
    Buffer.from('{"id":"a","text":"x","logits":[[1,2],[3,4]]}\n{"id":"b","logits":[[1,-2]]}\n'),
    Buffer.from('{"id":"a","text":"x","logits":[1,2,3,4],"shape":[2,2],"dtype":"float64"}\n'),
    Buffer.from('{"text":"x","log_probs":"AAAAAAAAgD8=","shape":[1,2]}\n{"logits":[]}\n'),
    Buffer.from('{"text":"x","logits":"AAAAAA==","shape":[2,1],"dtype":"float16","frames":1}\n'),
  ],
  tokens: [
    Buffer.from('<blank>\na\nb\nab\n \n'),
    Buffer.from('<blk> 0\na 1\nb 2\n  3\n'),
    Buffer.from('\ufeffé\r\n<unk>\r\n▁a\r\n'),
  ],
  lm: [
    Buffer.from(arpa),
    gzipSync(arpa),
    Buffer.from('\\data\\\nngram 1=1\n\n\\1-grams:\n-1 a\n\n\\end\\\n'),
  ],
};

export const words: Record<keyof typeof inputs, readonly string[]> = {
  npy: [
    ...["'descr'", "'fortran_order'", "'shape'", 'True', 'False', 'None', "'<f4'", "'|O'", "'<i8'"],
    ...['(1,)', '()', '(2, 3L)', '\u0093NUMPY', '\\x41', '[(', "'a', '<f4')]", '{}', ' ', '\n'],
  ],
  npz: [
    'PK\u0003\u0004',
    'PK\u0001\u0002',
    'PK\u0005\u0006',
    'PK\u0006\u0006',
    'a.npy',
    '\u0001\0',
  ],
  safetensors: [
    ...['"dtype"', '"shape"', '"data_offsets"', '"F32"', '"F64"', '"BF16"', '"U8"', '"I64"'],
    ...['__metadata__', '{}', '[]', 'null', '1e999', '0.5', '"a":', ',', '__proto__'],
  ],
  ark: [
    '\0BFM ',
    '\0BDM ',
    '\0BCM ',
    '\0BCM2 ',
    '\0BCM3 ',
    '\0BFV ',
    ' [',
    ' ]\n',
    'inf',
    '\u0004',
  ],
  scp: [
    'good.ark:4',
    '[0:1]',
    '[0:1,0:1]',
    ':',
    '/',
    '..',
    '|',
    'gunzip -c x |',
    '\0',
    '\r\n',
    ' ',
  ],
  manifest: [
    ...['"id"', '"text"', '"frames"', '"utt_id"', '"key"', '"num_frames"', 'null', '{', '}', '[]'],
    ...['"', '""', ',', '\t', '\r\n', '\n', '\0', '\ufeff', '\\ud800', '\\n', 'é', '__proto__'],
  ],
  jsonl: [
    ...['"logits"', '"log_probs"', '"shape"', '"dtype"', '"float16"', '"bfloat16"', '"float64"'],
    ...['[', ']', '{', '}', ',', 'null', '"Infinity"', '"NaN"', '[]', '[[]]', '""', '\\n', '1e999'],
  ],
  tokens: ['<blank>', '<blk>', ' 0', '\n', '\r', ' ', '\t', '\u2028', '\ufeff', '\0'],
  lm: [
    ...['\\data\\', 'ngram 3=1', '\\3-grams:', '\\end\\', '<s>', '</s>', '<unk>', '<UNK>', '-99'],
    ...['\t', '\n', '0.4', '-1e5', 'inf', 'mmap lm '],
  ],
};
