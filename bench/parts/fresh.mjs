// What memory costs that was not there before the call: a gradient that the call makes, and the copy of the input that
// an asynchronous call makes unless told otherwise; all over a call that writes into an array that has been used.
import { randomBatch } from '../inputs.mjs';
import { spread, table } from '../report.mjs';
import { inTurn, ratio, timed, timedAsync } from '../sample.mjs';
import { isLarge } from '../shapes.mjs';

export default async function fresh({ ctc, report, shapes, threads, seconds }) {
  const count = Math.max(...threads);
  const rows = [];
  for (const shape of shapes.filter(isLarge)) {
    const { input, targets } = randomBatch(shape);
    const gradient = new Float32Array(input.data.length);
    const options = { threads: count };
    const times = await inTurn(
      {
        own: timed(() => ctc.ctcLossSync(input, targets, { ...options, gradient })),
        made: timed(() => ctc.ctcLossSync(input, targets, options)),
        copied: timedAsync(() => ctc.ctcLoss(input, targets, options)),
      },
      { seconds: seconds / 2 },
    );
    rows.push([
      shape.name,
      ...['made', 'copied'].map((key) =>
        spread(report.add(`${shape.name}/${count}/${key}OverOwn`, ratio(times[key], times.own))),
      ),
    ]);
  }
  if (rows.length === 0) return;
  table(
    `Time with fresh memory / into an array in use, float32, ${count} threads`,
    ['shape', 'gradient made', 'and the input copied (async)'],
    rows,
  );
}
