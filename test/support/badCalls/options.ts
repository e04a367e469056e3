// Options and output arrays that are refused.

import { C, detached, N, options, type Row, range, resizableBuffer, T, type } from './row.js';

export const optionRows: Row[] = [
  type('no object', () => ({ options: 5 as never }), 'options must be an object, not 5'),
  type('null', () => ({ options: null as never }), 'options must be an object, not null'),
  {
    ...type(
      'a misspelled key',
      options({ inputLenghts: [4, 4] }),
      "unknown option 'inputLenghts'; did you mean 'inputLengths'?",
    ),
    code: 'ERR_CTC_UNKNOWN_OPTION',
  },
  {
    ...type(
      'a key in snake_case',
      options({ input_lengths: [4, 4] }),
      "unknown option 'input_lengths'; did you mean 'inputLengths'?",
    ),
    code: 'ERR_CTC_UNKNOWN_OPTION',
  },
  {
    ...type(
      'a misspelled key whose value is undefined',
      options({ blnk: undefined }),
      "unknown option 'blnk'; did you mean 'blank'?",
    ),
    code: 'ERR_CTC_UNKNOWN_OPTION',
  },
  {
    ...type(
      'a key of nothing',
      options({ temperature: 2 }),
      "unknown option 'temperature'; the options are blank, buffers, denominator, device, gradOutput, gradient, gradientOf, infeasible, input, inputLengths, layout, normByTimes, profile, reduction, signal, targetLengths, threads",
    ),
    code: 'ERR_CTC_UNKNOWN_OPTION',
  },
  range(
    'a blank beyond the classes',
    'OUT_OF_RANGE',
    options({ blank: 5 }),
    'blank is 5; it must be a class, 0 to 4, or -1 for the last one',
  ),
  range(
    'a blank below -1',
    'OUT_OF_RANGE',
    options({ blank: -2 }),
    'blank is -2; it must be a class, 0 to 4, or -1 for the last one',
  ),
  range(
    'a broken blank',
    'OUT_OF_RANGE',
    options({ blank: 0.5 }),
    'blank is 0.5; it must be a class, 0 to 4, or -1 for the last one',
  ),
  type('a word as blank', options({ blank: '0' }), "blank must be an integer, not '0'"),
  range(
    'a misspelled choice',
    'INVALID_ARG_VALUE',
    options({ input: 'logprobs' }),
    "input is 'logprobs'; it must be one of 'logits', 'logProbs'; did you mean 'logProbs'?",
  ),
  range(
    'an unknown reduction',
    'INVALID_ARG_VALUE',
    options({ reduction: 'average' }),
    "reduction is 'average'; it must be one of 'none', 'sum', 'mean', 'meanBatch', 'meanVolume'",
  ),
  type(
    'null as a choice',
    options({ reduction: null }),
    "reduction must be one of 'none', 'sum', 'mean', 'meanBatch', 'meanVolume', not null",
  ),
  range(
    'an unknown layout',
    'INVALID_ARG_VALUE',
    options({ layout: 'CTN' }),
    "layout is 'CTN'; it must be one of 'TNC', 'NTC'",
  ),
  range(
    'an unknown policy',
    'INVALID_ARG_VALUE',
    options({ infeasible: 'ignore' }),
    "infeasible is 'ignore'; it must be one of 'infinity', 'zero', 'throw'",
  ),
  range(
    "torch's gradient of logits",
    'INVALID_ARG_VALUE',
    options({ gradientOf: 'softmax' }),
    "gradientOf: 'softmax' goes with input: 'logProbs'; the gradient of logits has one meaning",
  ),
  type('a number as flag', options({ normByTimes: 1 }), 'normByTimes must be true or false, not 1'),
  range(
    'no threads',
    'OUT_OF_RANGE',
    options({ threads: 0 }),
    'threads is 0; it must be an integer from 1 to 1024',
  ),
  range(
    'half a thread',
    'OUT_OF_RANGE',
    options({ threads: 1.5 }),
    'threads is 1.5; it must be an integer from 1 to 1024',
  ),
  type('a word as threads', options({ threads: 'all' }), "threads must be an integer, not 'all'"),
  range(
    'NaN upstream',
    'OUT_OF_RANGE',
    options({ gradOutput: Number.NaN }),
    'gradOutput is NaN; it must be finite',
  ),
  range(
    'Infinity upstream for one utterance',
    'OUT_OF_RANGE',
    options({ gradOutput: [1, Infinity] }),
    'gradOutput[1] is Infinity; it must be finite',
  ),
  range(
    'an upstream gradient of another batch',
    'INVALID_LENGTH',
    options({ gradOutput: [1, 1, 1] }),
    'gradOutput has 3 entries; the batch has 2 utterances',
  ),
  type(
    'a word upstream',
    options({ gradOutput: 'one' }),
    "gradOutput must be a number or an array of one number for each utterance, not 'one'",
  ),
  range(
    'a denominator of 0',
    'OUT_OF_RANGE',
    options({ reduction: 'mean', denominator: 0 }),
    'denominator is 0; it must be above 0',
  ),
  range(
    'a denominator for a sum',
    'INVALID_ARG_VALUE',
    options({ denominator: 3 }),
    "denominator goes with a mean; reduction is 'sum'",
  ),
  range(
    'an unknown device',
    'INVALID_ARG_VALUE',
    options({ device: 'gpu' }),
    "device is 'gpu'; it must be 'cpu', 'cuda', 'cuda:N' or 'auto'; did you mean 'cpu'?",
  ),
  {
    ...type(
      'something else as signal',
      options({ signal: {} }),
      'signal must be an AbortSignal, not an object',
    ),
    only: 'async',
  },
  {
    ...range(
      'an unknown buffer rule',
      'INVALID_ARG_VALUE',
      options({ buffers: 'copy' }),
      "buffers is 'copy'; it must be one of 'auto', 'borrow', 'transfer'",
    ),
    only: 'async',
  },
  {
    ...range(
      'buffers of a sync call',
      'INVALID_ARG_VALUE',
      options({ buffers: 'auto' }),
      'buffers is an option of ctcLoss: ctcLossSync returns before anything else can happen',
    ),
    only: 'sync',
  },
];

export const outputRows: Row[] = [
  type(
    'another type than the input',
    options({ gradient: new Float64Array(40) }),
    'gradient must be true, false or a Float32Array as the input is float32, not a Float64Array',
  ),
  type(
    'an ordinary array',
    options({ gradient: new Array(40) }),
    'gradient must be true, false or a Float32Array as the input is float32, not an array of 40',
  ),
  range(
    'too short',
    'BUFFER',
    options({ gradient: new Float32Array(39) }),
    "gradient has 39 elements; the input's shape needs 40",
  ),
  range(
    'detached',
    'BUFFER',
    (call) => ({ options: { ...call.options, gradient: detached(new Float32Array(40)) } }),
    'gradient is detached: its memory was transferred elsewhere',
  ),
  range(
    'the input itself',
    'BUFFER',
    () => {
      const data = new Float32Array(40);
      return {
        input: { data, shape: [T, N, C] },
        options: { gradient: data, reduction: 'sum' },
      };
    },
    'gradient overlaps input.data: give it memory of its own, or gradient: true',
  ),
  range(
    'a part of the input',
    'BUFFER',
    () => {
      const all = new Float32Array(79);
      return {
        input: { data: all.subarray(0, 40), shape: [T, N, C] },
        options: { gradient: all.subarray(39), reduction: 'sum' },
      };
    },
    'gradient overlaps input.data: give it memory of its own, or gradient: true',
  ),
  {
    ...range(
      'a resizable input that is borrowed',
      'BUFFER',
      (call) => ({
        input: { data: new Float32Array(resizableBuffer(160)), shape: [T, N, C] },
        options: { ...call.options, buffers: 'borrow' },
      }),
      "input.data lies in a resizable ArrayBuffer, which buffers: 'borrow' cannot use safely; 'auto' can",
    ),
    only: 'async',
  },
  {
    ...range(
      'a resizable output that is borrowed',
      'BUFFER',
      (call) => ({
        options: {
          ...call.options,
          buffers: 'borrow',
          gradient: new Float32Array(resizableBuffer(160)),
        },
      }),
      "gradient lies in a resizable ArrayBuffer, which buffers: 'borrow' cannot use safely; 'auto' can",
    ),
    only: 'async',
  },
];
