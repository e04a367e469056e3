// The loss alone from log-probabilities needs L + 1 columns: its time must not grow with C. The rows
// lie C apart, so that the caches and the TLB see the growing distance, which is not the code's doing:
// the same batch with rows at that distance but C = 32 is the yardstick.
import { fillNormal, randomSource, toLogProbs } from '../inputs.mjs';
import { spread, table } from '../report.mjs';
import { inTurn, measure, ratio, timed } from '../sample.mjs';

const T = 200;
const N = 8;
const L = 30;
const SIZES = [32, 256, 2048, 16384];

export default async function columns({ ctc, report, seconds }) {
  const rows = [];
  for (const C of SIZES) {
    const random = randomSource(2);
    const data = toLogProbs(fillNormal(new Float32Array(T * N * C), 3, random), C);
    const targets = Array.from({ length: N }, () =>
      Array.from({ length: L }, () => 1 + Math.floor(random() * 31)),
    );
    const call = (shape, strides) =>
      timed(() =>
        ctc.ctcLossSync({ data, shape, strides }, targets, {
          input: 'logProbs',
          gradient: false,
          threads: 1,
        }),
      );
    const times = await inTurn(
      {
        all: call([T, N, C], [N * C, C, 1]),
        narrow: call([T, N, 32], [N * C, C, 1]),
      },
      { seconds: seconds / 2 },
    );
    rows.push([
      C,
      spread(report.add(`columns/${C}/time`, measure(times.all, 'ms', 1000))),
      spread(report.add(`columns/${C}/overNarrow`, ratio(times.all, times.narrow))),
    ]);
  }
  table(
    `Loss alone from log-probabilities, T = ${T}, N = ${N}, L = ${L}, 1 thread`,
    ['C', 'ms', '/ C = 32, rows as far apart'],
    rows,
  );
}
