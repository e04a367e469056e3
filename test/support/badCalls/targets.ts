// Targets that are refused, or that no path can read as.

import { C, detached, N, options, type Row, range, T, targets, type } from './row.js';

export const targetRows: Row[] = [
  type(
    'nothing',
    targets(undefined),
    'targets must be one array of labels for each utterance, a tensor { data, shape: [N, S] }, or all labels one after another (number[], an integer typed array or a BigInt64Array) with targetLengths, not undefined',
  ),
  type(
    'text',
    targets('cat'),
    "targets must be one array of labels for each utterance, a tensor { data, shape: [N, S] }, or all labels one after another (number[], an integer typed array or a BigInt64Array) with targetLengths, not 'cat'",
  ),
  range(
    'too few rows',
    'INVALID_SHAPE',
    targets([[1, 2]]),
    'targets has 1 rows; the batch has 2 utterances',
  ),
  type(
    'a row that is no array',
    targets([[1, 2], 3]),
    'targets[1] must be the labels of utterance 1 (number[], an integer typed array or a BigInt64Array), not 3',
  ),
  type(
    'a row of floats',
    targets([[1, 2], new Float32Array([3])]),
    'targets[1] must be the labels of utterance 1 (number[], an integer typed array or a BigInt64Array), not a Float32Array',
  ),
  range(
    'a label out of range',
    'INVALID_LABEL',
    targets([
      [1, 2],
      [3, 41],
    ]),
    'targets[1][1] is 41; classes are 0 to 4',
  ),
  range(
    'a negative label',
    'INVALID_LABEL',
    targets([[1, 2], [-1]]),
    'targets[1][0] is -1; classes are 0 to 4',
  ),
  range(
    'a 64-bit label out of range',
    'INVALID_LABEL',
    targets([[1, 2], BigInt64Array.of(3n, 4294967299n)]),
    'targets[1][1] is 4294967299; classes are 0 to 4',
  ),
  range(
    'a label that is the blank',
    'INVALID_LABEL',
    targets([[1, 0], [3]]),
    'targets[0][1] is 0, the blank, which no target holds',
  ),
  range(
    'a label that is the last blank',
    'INVALID_LABEL',
    targets([[1, 4], [3]], { blank: -1 }),
    'targets[0][1] is 4, the blank, which no target holds',
  ),
  range(
    'a broken label',
    'INVALID_LABEL',
    targets([[1.5], [3]]),
    'targets[0][0] is 1.5; classes are 0 to 4',
  ),
  range(
    'NaN as label',
    'INVALID_LABEL',
    targets([[Number.NaN], [3]]),
    'targets[0][0] is NaN; classes are 0 to 4',
  ),
  {
    ...type('a word as label', targets([['a'], [3]]), "targets[0][0] must be an integer, not 'a'"),
    code: 'ERR_CTC_INVALID_LABEL',
  },
  {
    ...type(
      'a hole',
      targets([new Array(1), [3]]),
      'targets[0][0] must be an integer, not undefined',
    ),
    code: 'ERR_CTC_INVALID_LABEL',
  },
  type(
    'flat labels without lengths',
    targets([1, 2, 3, 3]),
    'targetLengths must be an array of integers, not undefined: flat targets need it to tell where each utterance ends (or give one array of labels for each utterance)',
  ),
  range(
    'flat labels whose lengths do not add up',
    'INVALID_LENGTH',
    targets([1, 2, 3, 3], { targetLengths: [2, 1] }),
    'targetLengths sum to 3; targets hold 4 labels',
  ),
  range(
    'a flat label out of range',
    'INVALID_LABEL',
    targets([1, 2, 3, 7], { targetLengths: [2, 2] }),
    'targets[3] (label 1 of utterance 1) is 7; classes are 0 to 4',
  ),
  type(
    'padded labels without lengths',
    targets({ data: [1, 2, 3, 3], shape: [2, 2] }),
    'targetLengths must be an array of integers, not undefined: padded targets need it to tell labels from padding',
  ),
  range(
    'a padded target of another batch',
    'INVALID_SHAPE',
    targets({ data: [1, 2, 3, 3, 1, 1], shape: [3, 2] }, { targetLengths: [2, 2] }),
    'targets.shape is [3, 2]; the batch has 2 utterances',
  ),
  range(
    'a padded target with too little data',
    'INVALID_SHAPE',
    targets({ data: [1, 2, 3], shape: [2, 2] }, { targetLengths: [2, 2] }),
    'targets.data has 3 elements; shape [2, 2] needs 4',
  ),
  range(
    'a label inside the length of a padded target',
    'INVALID_LABEL',
    targets({ data: [1, 2, 3, -1], shape: [2, 2] }, { targetLengths: [2, 2] }),
    'targets[1][1] is -1; classes are 0 to 4',
  ),
  range(
    'a target length beyond the padding',
    'INVALID_LENGTH',
    targets({ data: [1, 2, 3, 3], shape: [2, 2] }, { targetLengths: [2, 3] }),
    'targetLengths[1] is 3; it must be an integer from 0 to 2, the columns of targets',
  ),
  range(
    'a target length beyond its row',
    'INVALID_LENGTH',
    targets([[1, 2], [3]], { targetLengths: [2, 2] }),
    'targetLengths[1] is 2; targets[1] has 1 labels',
  ),
  range(
    'too few target lengths',
    'INVALID_LENGTH',
    targets([1, 2, 3, 3], { targetLengths: [4] }),
    'targetLengths has 1 entries; the batch has 2 utterances',
  ),
  range(
    'a negative target length',
    'INVALID_LENGTH',
    targets([1, 2, 3, 3], { targetLengths: [5, -1] }),
    'targetLengths[0] is 5; it must be an integer from 0 to 4, the labels given',
  ),
  range(
    'detached labels',
    'BUFFER',
    () => ({ targets: [[1, 2], detached(new Int32Array([3, 3]))] }),
    'targets[1] is detached: its memory was transferred elsewhere',
  ),
  range(
    'a batch of targets for one utterance',
    'INVALID_SHAPE',
    () => ({ input: { data: new Float32Array(40), shape: [8, 5] }, targets: [[1, 2]] }),
    'targets holds arrays; an input of shape [T, C] takes one array of labels: for a batch of one give the input as [T, 1, C]',
  ),
  range(
    'more labels in one utterance than a lattice holds, out of one number',
    'INVALID_LENGTH',
    targets(
      { data: [1], shape: [2, 2 ** 31 - 1], strides: [0, 0] },
      { targetLengths: [1, 2 ** 31 - 1] },
    ),
    'utterance 1 has 2147483647 labels; the most is 134217727',
  ),
];

export const infeasibleRows: Row[] = [
  range(
    'too few frames for labels and repeats',
    'INFEASIBLE',
    targets(
      [
        [1, 2],
        [3, 3, 3],
      ],
      { infeasible: 'throw' },
    ),
    'utterance 1 needs 5 frames (3 labels + 2 repeats) and has 4',
  ),
  range(
    'too few frames within a length',
    'INFEASIBLE',
    options({ infeasible: 'throw', inputLengths: [1, 4] }),
    'utterance 0 needs 2 frames (2 labels + 0 repeats) and has 1',
  ),
  range(
    'one frame missing',
    'INFEASIBLE',
    targets([[1], [3]], { infeasible: 'throw', inputLengths: [0, 4] }),
    'utterance 0 needs 1 frame (1 label + 0 repeats) and has 0',
  ),
  range(
    'masks on what is needed',
    'INFEASIBLE',
    (call) => {
      const data = new Float32Array(40);
      // Class 2 of utterance 0, in every frame.
      for (let t = 0; t < T; t += 1) data[t * N * C + 2] = -Infinity;
      return {
        input: { data, shape: [T, N, C] },
        options: { ...call.options, infeasible: 'throw' },
      };
    },
    'utterance 0 has no path: -Infinity masks what its 2 labels need',
  ),
];
