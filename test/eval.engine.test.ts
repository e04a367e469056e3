// The joint call of an evaluation gives the bits of the separate calls.

import assert from 'node:assert/strict';
import { greedyPaths } from '../lib/decode.js';
import { Engine, EngineStatus } from '../lib/eval/engine.js';
import { Writing } from '../lib/eval/reference.js';
import { ctcLoss } from '../lib/index.js';
import type { SourceBatch, SourceData } from '../lib/io/source.js';
import { LabelList } from '../lib/io/tokens.js';
import { seeded } from './support/close.js';

const random = seeded(90);
const integer = (below: number) => Math.floor(random() * below);

const types = ['float32', 'float64', 'float16', 'bfloat16'] as const;
type Type = (typeof types)[number];

/** The bits of numbers that 16 bits hold exactly. */
const halves: Record<'float16' | 'bfloat16', (value: number) => number> = {
  // -4 to 4 by quarters.
  float16: (value) => {
    if (value === 0) return 0;
    const exponent = Math.floor(Math.log2(Math.abs(value)));
    const fraction = Math.abs(value) / 2 ** exponent - 1;
    return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | (fraction * 1024);
  },
  bfloat16: (value) => new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16,
};

function makeBatch(type: Type, [T, N, C]: [number, number, number], spoil: number): SourceBatch {
  const values = Float64Array.from({ length: T * N * C }, () => (integer(33) - 16) / 4);
  for (let i = 0; i < spoil; i++) {
    values[integer(values.length)] = [Number.NaN, Infinity, -Infinity][i % 3]!;
  }
  let data: SourceData;
  if (type === 'float32') data = Float32Array.from(values);
  else if (type === 'float64') data = values;
  else {
    const finite = values.map((value) => (Number.isFinite(value) ? value : 0));
    data = Uint16Array.from(finite, halves[type]);
  }
  // Half of them N x T x C.
  const strides: [number, number, number] = N % 2 === 0 ? [N * C, C, 1] : [C, T * C, 1];
  const frames = new Array<number>(N).fill(T);
  return { data, type, shape: [T, N, C], strides, frames, faults: new Array(N).fill(undefined) };
}

const never = new AbortController().signal;

describe('Engine', () => {
  const engine = new Engine();

  for (const input of ['logits', 'logProbs'] as const) {
    for (const threads of [1, 2, 5]) {
      it(`gives the bits of ctcLoss and greedyPaths: ${input}, threads: ${threads}`, async () => {
        for (let run = 0; run < 40; run++) {
          const shape: [number, number, number] = [integer(90), 1 + integer(6), 2 + integer(40)];
          // One long utterance among several threads is halved.
          if (run % 10 === 0) shape[0] = 1500;
          const [T, N, C] = shape;
          const outputs = makeBatch(types[run % 4]!, shape, T > 0 && run % 3 === 0 ? 2 : 0);
          const blank = integer(C);
          const label = () => (blank + 1 + integer(C - 1)) % C;
          const targets = Array.from({ length: N }, () =>
            Array.from({ length: integer(1 + T / 2) }, label),
          );
          // Some have no loss: their text has unknown symbols.
          const decodeLengths = targets.map(() => integer(T + 1));
          const lossLengths = decodeLengths.map((length) => (random() < 0.2 ? 0 : length));
          const rows = targets.map((row, n) => (lossLengths[n] === 0 ? [] : row));

          engine.begin(T, N);
          for (const [n, row] of rows.entries()) {
            for (const one of row) engine.labels.push(one);
            engine.add(lossLengths[n]!, decodeLengths[n]!);
          }
          await engine.run(outputs, { input, blank, threads, signal: never });

          const { data, type, strides } = outputs;
          const tensor = { data, type, shape, strides };
          const common = { blank, input };
          const separate = await ctcLoss(tensor, rows, {
            ...common,
            inputLengths: lossLengths,
            gradient: false,
          });
          const paths = await greedyPaths(tensor, { ...common, inputLengths: decodeLengths });
          const statuses = Object.keys(EngineStatus);
          let begin = 0;
          for (let n = 0; n < N; n++) {
            assert.ok(Object.is(engine.losses[n], separate.losses[n]), `loss ${n} of run ${run}`);
            assert.equal(statuses[engine.status[n]!], separate.status[n]);
            assert.deepEqual([...engine.labelsOf(n)], rows[n]);
            assert.equal(engine.pathStatus[n], paths.status[n]);
            assert.equal(engine.blankFrames[n], paths.blankFrames[n]);
            const end = paths.status[n] === 0 ? paths.labelEnds[paths.pathEnds[n]! - 1]! : begin;
            assert.deepEqual([...engine.pathOf(n)], [...paths.labels.subarray(begin, end)]);
            const confidences = [...paths.confidences.subarray(begin, end)];
            const mean =
              end === begin ? 0 : confidences.reduce((sum, one) => sum + one, 0) / (end - begin);
            assert.ok(Object.is(engine.confidences[n], mean), `confidence ${n} of run ${run}`);
            begin = end;
          }
        }
      });
    }
  }

  it('stops when the signal says so, and computes again afterwards', async () => {
    const outputs = makeBatch('float32', [4000, 4, 60], 0);
    const fill = () => {
      engine.begin(4000, 4);
      for (let n = 0; n < 4; n++) {
        for (let l = 0; l < 500; l++) engine.labels.push(1 + (l % 59));
        engine.add(4000, 4000);
      }
    };
    const stop = new AbortController();
    fill();
    const running = engine.run(outputs, {
      input: 'logits',
      blank: 0,
      threads: 1,
      signal: stop.signal,
    });
    stop.abort(new Error('enough'));
    await assert.rejects(running, /enough/);
    fill();
    await engine.run(outputs, { input: 'logits', blank: 0, threads: 1, signal: undefined });
    assert.ok(engine.losses.subarray(0, 4).every((loss) => loss > 0));
  });

  it('refuses lengths and labels that are out of range', async () => {
    const outputs = makeBatch('float32', [10, 1, 5], 0);
    for (const [label, lossFrames, decodeFrames] of [
      [5, 10, 10],
      [0, 10, 10],
      [-1, 10, 10],
      [1, 11, 10],
      [1, 10, 11],
      [1, 10, -1],
    ]) {
      engine.begin(10, 1);
      engine.labels.push(label!);
      engine.add(lossFrames!, decodeFrames!);
      const call = { input: 'logits', blank: 0, threads: 1, signal: undefined } as const;
      await assert.rejects(engine.run(outputs, call), { code: 'ERR_CTC_INVALID_ARG_VALUE' });
    }
  });
});

describe('Writing', () => {
  const cases: [string, string[], string | null | undefined, string, string][] = [
    ['letters and a space', ['_', 'a', ' ', 'b'], undefined, 'ab a', 'ab a'],
    ['a bar', ['_', '|', 'a', 'é'], undefined, ' aé  a ', 'aé a'],
    ['pieces of words', ['_', '▁a', 'b', '▁', '語'], undefined, 'ab 語 b', 'ab 語 b'],
    ['no words', ['_', 'a', '👍', 'a👍a'], null, 'aa👍a👍', 'aa👍a👍'],
  ];
  for (const [name, symbols, delimiter, text, written] of cases) {
    it(`goes from text to labels and back: ${name}`, () => {
      const writing = new Writing(symbols, 0, delimiter);
      const labels = writing.labelsOf(text);
      assert.equal(writing.textOf(Int32Array.from(labels)), written);
      // In memory that has held a longer one before.
      const list = new LabelList();
      for (let i = 0; i < 2000; i++) list.push(labels[0]!);
      assert.equal(writing.appendLabels(text, list), undefined);
      assert.deepEqual([...list.view(2000)], labels);
      assert.ok(writing.textOf(list.view(0)).length >= 2000);
      assert.equal(writing.textOf(Int32Array.from(labels)), written);
    });
  }

  it('tells what it has no token for', () => {
    const writing = new Writing(['_', 'a', 'bc', '👍'], 0, null);
    assert.deepEqual(writing.appendLabels('a👍b', new LabelList()), { symbol: 'b', position: 3 });
    assert.deepEqual(writing.appendLabels('a_', new LabelList()), { symbol: '_', position: 2 });
    const above = String.fromCharCode(0xffff);
    assert.deepEqual(writing.appendLabels(above, new LabelList()), { symbol: above, position: 1 });
  });
});
