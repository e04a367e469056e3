// 16-bit inputs and gradients move half the bytes: they must win where memory is the limit.
import { converted, randomBatch } from '../inputs.mjs';
import { spread, table } from '../report.mjs';
import { inTurn, ratio, timed } from '../sample.mjs';
import { isLarge } from '../shapes.mjs';

const TYPES = /** @type {const} */ (['float32', 'float16', 'bfloat16']);

export default async function sixteenBit({ ctc, report, shapes, threads, seconds }) {
  const rows = [];
  for (const shape of shapes.filter(isLarge)) {
    const { input, targets } = randomBatch(shape);
    /** @type {import('../sample.mjs').Contenders} */
    const contenders = {};
    for (const count of threads) {
      for (const type of TYPES) {
        const data = converted(input.data, type);
        const gradient = new data.constructor(data.length);
        contenders[`${type} ${count}`] = timed(() =>
          ctc.ctcLossSync({ ...input, data, type }, targets, { gradient, threads: count }),
        );
      }
    }
    const times = await inTurn(contenders, { seconds: seconds / 2 });
    rows.push([
      shape.name,
      ...threads.flatMap((count) =>
        TYPES.slice(1).map((type) =>
          spread(
            report.add(
              `${shape.name}/${count}/${type}OverFloat32`,
              ratio(times[`${type} ${count}`], times[`float32 ${count}`]),
            ),
          ),
        ),
      ),
    ]);
  }
  if (rows.length === 0) return;
  table(
    'Time with 16-bit numbers / with float32',
    [
      'shape',
      ...threads.flatMap((count) => TYPES.slice(1).map((type) => `${type}, ${count} thr.`)),
    ],
    rows,
  );
}
