// Loss and gradient of every shape, against a read and write of the same bytes and against PyTorch;
// the loss alone against both together; more threads against one.
import { randomBatch } from '../inputs.mjs';
import { digits, spread, table } from '../report.mjs';
import { inTurn, measure, ratio, timed } from '../sample.mjs';
import { isLarge } from '../shapes.mjs';

export default async function batches({
  ctc,
  addon,
  torch,
  report,
  shapes,
  threads,
  dtype,
  seconds,
}) {
  const comparable = torch !== undefined && (dtype === 'float32' || dtype === 'float64');
  /** @type {Map<number, string[][]>} */
  const rows = new Map(threads.map((count) => [count, []]));
  for (const shape of shapes) {
    const batch = randomBatch(shape, dtype);
    const { data } = batch.input;
    const gradient = new data.constructor(data.length);
    const bytes = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    const call = (options) => () =>
      ctc.ctcLossSync(batch.input, batch.targets, { reduction: 'sum', ...options });
    if (comparable) await checkLoss(torch, batch, call({ gradient: false })().loss, shape.name);

    /** @type {import('../sample.mjs').Contenders} */
    const contenders = {};
    for (const count of threads) {
      contenders[`copy ${count}`] = (repeat) =>
        addon.copy(bytes(data), bytes(gradient), count, repeat);
      contenders[`ctc ${count}`] = timed(call({ gradient, threads: count }));
      if (comparable) contenders[`torch ${count}`] = torch.contender(count);
      contenders[`alone ${count}`] = timed(call({ gradient: false, threads: count }));
    }
    const times = await inTurn(contenders, { seconds });

    for (const count of threads) {
      const key = `${shape.name}/${count}`;
      const ours = times[`ctc ${count}`];
      const ms = report.add(`${key}/time`, measure(ours, 'ms', 1000));
      const copy = report.add(`${key}/overReadWrite`, ratio(ours, times[`copy ${count}`]));
      const alone = report.add(`${key}/lossAlone`, ratio(times[`alone ${count}`], ours));
      const faster =
        comparable && report.add(`${key}/fasterThanPyTorch`, ratio(times[`torch ${count}`], ours));
      const one = times['ctc 1'];
      const speedup = count > 1 && one && report.add(`${key}/overOneThread`, ratio(one, ours));
      rows
        .get(count)
        ?.push([
          shape.name,
          ...[shape.T, shape.N, shape.C, shape.L].map(String),
          spread(ms),
          isLarge(shape) ? spread(copy) : digits(copy.median),
          faster ? spread(faster) : '',
          digits(100 * alone.median),
          speedup ? spread(speedup) : '',
        ]);
    }
  }
  for (const count of threads) {
    const some = count === 1 ? '1 thread' : `${count} threads`;
    const columns = [
      '/ read+write',
      'PyTorch / this',
      'loss alone %',
      count > 1 ? '1 thread / this' : '',
    ];
    table(
      `Loss and gradient of logits, ${dtype}, ${some}`,
      ['shape', 'T', 'N', 'C', 'L', 'ms', ...columns],
      rows.get(count),
    );
  }
}

// Both must have computed the same thing.
async function checkLoss(torch, batch, ours, name) {
  await torch.load(batch);
  const theirs = await torch.loss();
  if (!(Math.abs(theirs - ours) < 1e-3 * Math.abs(ours))) {
    throw new Error(`${name}: the loss is ${ours} here and ${theirs} in PyTorch`);
  }
}
