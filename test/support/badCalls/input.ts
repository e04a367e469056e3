// Inputs that are refused.

import { C, detached, N, options, type Row, range, T, tensor, type } from './row.js';

export const inputRows: Row[] = [
  type(
    'nothing',
    () => ({ input: undefined }),
    'input must be an object with data and shape, not undefined',
  ),
  type(
    'a bare array',
    () => ({ input: new Float32Array(40) }),
    'input.data must be a Float32Array, Float64Array, Float16Array, or a Uint16Array or Buffer with type, not undefined',
  ),
  type(
    'an ordinary array as data',
    tensor({ data: new Array(40).fill(0) }),
    'input.data must be a Float32Array, Float64Array, Float16Array, or a Uint16Array or Buffer with type, not an array of 40',
  ),
  type(
    'integers as data',
    tensor({ data: new Int32Array(40) }),
    'input.data must be a Float32Array, Float64Array, Float16Array, or a Uint16Array or Buffer with type, not a Int32Array',
  ),
  type(
    '16-bit data without a type',
    tensor({ data: new Uint16Array(40) }),
    "input.data is a Uint16Array: say type: 'float16' or 'bfloat16'",
  ),
  type(
    'bytes without a type',
    tensor({ data: Buffer.alloc(160) }),
    "input.data holds bytes: say type: 'float32', 'float64', 'float16' or 'bfloat16'",
  ),
  type(
    'a type that the array cannot hold',
    tensor({ type: 'float16' }),
    'input.type is float16, which a Float32Array cannot hold',
  ),
  type(
    'an unknown type',
    tensor({ type: 'int8' }),
    'input.type is int8, which a Float32Array cannot hold',
  ),
  type('no shape', tensor({ shape: undefined }), 'input must have a shape (or dims)'),
  type(
    'a shape that is no array',
    tensor({ shape: 40 }),
    'input.shape must be an array of integers, not 40',
  ),
  type(
    'a shape with words',
    tensor({ shape: [4, 'two', 5] }),
    "input.shape[1] must be an integer, not 'two'",
  ),
  range(
    'a broken dimension',
    'INVALID_SHAPE',
    tensor({ shape: [4, 2.5, 4] }),
    'input.shape[1] is 2.5, not an integer',
  ),
  range(
    'a negative dimension',
    'INVALID_SHAPE',
    tensor({ shape: [4, -2, 5] }),
    'input.shape[1] is -2; it must be from 0 to 2147483647',
  ),
  range(
    'NaN as dimension',
    'INVALID_SHAPE',
    tensor({ shape: [4, Number.NaN, 5] }),
    'input.shape[1] is NaN, not an integer',
  ),
  range(
    'too many dimensions',
    'INVALID_SHAPE',
    tensor({ shape: [4, 2, 5, 1] }),
    "input.shape has 4 dimensions; it must be [T, N, C], [N, T, C] with layout: 'NTC', or [T, C]",
  ),
  range(
    'one dimension',
    'INVALID_SHAPE',
    tensor({ shape: [40] }),
    "input.shape has 1 dimensions; it must be [T, N, C], [N, T, C] with layout: 'NTC', or [T, C]",
  ),
  range(
    'no classes',
    'INVALID_SHAPE',
    tensor({ data: new Float32Array(0), shape: [4, 2, 0] }),
    'input.shape is [4, 2, 0]; there must be at least one class',
  ),
  range(
    'too little data',
    'INVALID_SHAPE',
    tensor({ data: new Float32Array(39) }),
    'input.data has 39 elements; shape [4, 2, 5] needs 40',
  ),
  range(
    'too much data',
    'INVALID_SHAPE',
    tensor({ data: new Float32Array(41) }),
    'input.data has 41 elements; shape [4, 2, 5] needs 40',
  ),
  range(
    'bytes that end in the middle of a number',
    'INVALID_SHAPE',
    tensor({ data: new Uint8Array(161), type: 'float32' }),
    'input.data has 40 elements; shape [4, 2, 5] needs 40',
  ),
  range(
    'shape and dims that differ',
    'INVALID_SHAPE',
    tensor({ dims: [2, 4, 5] }),
    'input.shape is [4, 2, 5] but input.dims is [2, 4, 5]',
  ),
  range(
    'a shape whose product overflows',
    'INVALID_SHAPE',
    tensor({ shape: [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1] }),
    'input.shape [2147483647, 2147483647, 2147483647] has more elements than can be counted',
  ),
  range(
    'a shape whose product overflows beside a zero',
    'INVALID_SHAPE',
    tensor({ shape: [2 ** 31 - 1, 0, 2 ** 31 - 1] }),
    'input.shape [2147483647, 0, 2147483647] has more elements than can be counted',
  ),
  range(
    'a shape of 2^53 elements',
    'INVALID_SHAPE',
    tensor({ shape: [2 ** 20, 2 ** 20, 2 ** 14] }),
    'input.shape [1048576, 1048576, 16384] has more elements than can be counted',
  ),
  range(
    'a huge shape',
    'INVALID_SHAPE',
    tensor({ shape: [2 ** 20, 2 ** 20, 16] }),
    'input.data has 40 elements; shape [1048576, 1048576, 16] needs 17592186044416',
  ),
  range(
    'a dimension above 2^31',
    'INVALID_SHAPE',
    tensor({ shape: [2 ** 31, 1, 5] }),
    'input.shape[0] is 2147483648; it must be from 0 to 2147483647',
  ),
  range(
    'strides of another rank',
    'INVALID_SHAPE',
    tensor({ strides: [10, 5] }),
    'input.strides has 2 entries; the shape has 3',
  ),
  range(
    'a negative stride',
    'INVALID_SHAPE',
    tensor({ strides: [-10, 5, 1] }),
    'input.strides[0] is -10, which leads to before the start of the data',
  ),
  range(
    'strides beyond the data',
    'INVALID_SHAPE',
    tensor({ strides: [10, 6, 1] }),
    'input.data has 40 elements; shape [4, 2, 5] with strides [10, 6, 1] needs 41',
  ),
  range(
    'strides that overflow',
    'INVALID_SHAPE',
    tensor({ strides: [Number.MAX_SAFE_INTEGER, 5, 1] }),
    'input.data has 40 elements; shape [4, 2, 5] with strides [9007199254740991, 5, 1] needs 27021597764222980',
  ),
  range(
    'misaligned bytes',
    'BUFFER',
    tensor({ data: new Uint8Array(new ArrayBuffer(164), 2, 160), type: 'float32' }),
    'input.data starts at byte 2 of its buffer, which is no multiple of 4: copy it to an aligned place first, for example with Uint8Array.from()',
  ),
  range(
    'a detached array',
    'BUFFER',
    () => ({ input: { data: detached(new Float32Array(40)), shape: [T, N, C] } }),
    'input.data is detached: its memory was transferred elsewhere',
  ),
];

export const lengthRows: Row[] = [
  range(
    'too few',
    'INVALID_LENGTH',
    options({ inputLengths: [4] }),
    'inputLengths has 1 entries; the batch has 2 utterances',
  ),
  range(
    'too many',
    'INVALID_LENGTH',
    options({ inputLengths: [4, 4, 4] }),
    'inputLengths has 3 entries; the batch has 2 utterances',
  ),
  range(
    'more frames than there are',
    'INVALID_LENGTH',
    options({ inputLengths: [4, 5] }),
    'inputLengths[1] is 5; it must be an integer from 0 to 4, the frames of the input',
  ),
  range(
    'a negative length',
    'INVALID_LENGTH',
    options({ inputLengths: Int32Array.of(-1, 4) }),
    'inputLengths[0] is -1; it must be an integer from 0 to 4, the frames of the input',
  ),
  range(
    'a 64-bit length beyond 2^32',
    'INVALID_LENGTH',
    options({ inputLengths: BigInt64Array.of(4n, 4294967300n) }),
    'inputLengths[1] is 4294967300; it must be an integer from 0 to 4, the frames of the input',
  ),
  range(
    'a broken length',
    'INVALID_LENGTH',
    options({ inputLengths: [2.5, 4] }),
    'inputLengths[0] is 2.5; it must be an integer from 0 to 4, the frames of the input',
  ),
  type(
    'one number for a batch',
    options({ inputLengths: 4 }),
    'inputLengths must be an array of integers, one for each utterance, not 4',
  ),
  type(
    'floats',
    options({ inputLengths: Float64Array.of(4, 4) }),
    'inputLengths must be an array of integers, one for each utterance, not a Float64Array',
  ),
];
