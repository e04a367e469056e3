// What a call costs whatever it computes: T = 1, N = 1, C = 2, validation included.
import { spread, table } from '../report.mjs';
import { inTurn, measure, timed, timedAsync } from '../sample.mjs';

export default async function calls({ ctc, addon, report, seconds }) {
  const input = { data: Float32Array.of(0.5, -0.5), shape: [1, 1, 2] };
  const targets = [[1]];
  const gradient = new Float32Array(2);
  const times = await inTurn(
    {
      sync: timed(() => ctc.ctcLossSync(input, targets)),
      into: timed(() => ctc.ctcLossSync(input, targets, { gradient })),
      alone: timed(() => ctc.ctcLossSync(input, targets, { gradient: false })),
      async: timedAsync(() => ctc.ctcLoss(input, targets)),
      job: timedAsync(() => ctc.ctcLoss(input, targets, { buffers: 'borrow' })),
      nothing: timedAsync(() => addon.nothing()),
    },
    { seconds: 2 * seconds, most: 200, sampleSeconds: 0.005 },
  );
  const over = (key) => times[key].map((time, i) => time - times.nothing[i]);
  const row = (name, key, values) => [
    name,
    spread(report.add(`calls/${key}`, measure(values, 'us', 1e6))),
  ];
  table(
    'A call on T = 1, N = 1, C = 2, in microseconds',
    ['', 'us'],
    [
      row('ctcLossSync', 'sync', times.sync),
      row('ctcLossSync, gradient into an array', 'into', times.into),
      row('ctcLossSync, loss alone', 'alone', times.alone),
      row('ctcLoss, awaited', 'async', times.async),
      row("ctcLoss on another thread (buffers: 'borrow')", 'job', times.job),
      row('an empty async work item, awaited', 'nothing', times.nothing),
      row('ctcLoss over the empty item', 'asyncOverNothing', over('async')),
      row('ctcLoss on another thread over the empty item', 'jobOverNothing', over('job')),
    ],
  );
}
