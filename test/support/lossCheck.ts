// One random call of the loss against an oracle.

import assert from 'node:assert/strict';
import { ctcLoss, ctcLossSync, type Device } from '../../lib/index.js';
import type { Answer, Utterance } from '../oracle/problem.js';
import { assertClose } from './close.js';
import { decode } from './half.js';
import { build, expected, type RandomCase } from './randomCase.js';

export async function check(
  random: RandomCase,
  solve: (problem: Utterance) => Answer,
  device?: Device,
): Promise<void> {
  const { values, call } = build(random);
  const { tensor, targets } = call;
  const options = { ...call.options, device };
  const want = expected(random, values, solve);
  const got = random.synchronous
    ? ctcLossSync(tensor, targets, options)
    : await ctcLoss(tensor, targets, options);
  const tolerance = random.dtype === 'float64' ? 1e-12 : 1e-6;
  assert.deepEqual(got.status, want.status);
  assertClose(got.losses, want.losses, tolerance, 'losses');
  assertClose(got.sums.loss, want.sums.loss, 2 * tolerance, 'sums.loss');
  assertClose(got.sums.lossPerLabel, want.sums.lossPerLabel, 2 * tolerance, 'sums.lossPerLabel');
  assert.equal(got.sums.utterances, want.sums.utterances);
  assert.equal(got.sums.labels, want.sums.labels);
  if (want.loss === undefined) assert.equal(got.loss, undefined);
  else assertClose(got.loss!, want.loss, 2 * tolerance * Math.max(1, want.sums.utterances), 'loss');

  if (random.gradient === false) {
    assert.equal(got.gradient, undefined);
    return;
  }
  const gradient = decode(got.gradient as Float32Array, random.dtype);
  const { length } = want.gradient;
  assert.equal(gradient.length, random.gradient === 'array' ? length + 2 : length);
  for (let i = 0; i < length; i += 1) {
    const off = Math.abs(gradient[i]! - want.gradient[i]!);
    // An entry beyond a length, or of an utterance without a loss, is exactly 0.
    assert.ok(
      off <= want.tolerance[i]!,
      `gradient[${i}] is ${gradient[i]}, expected ${want.gradient[i]} within ${want.tolerance[i]}`,
    );
  }
  // Nothing is written past the end of a caller's longer array.
  if (random.gradient === 'array') assert.deepEqual([...gradient.subarray(length)], [7, 7]);
}
