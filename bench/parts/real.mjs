// Outputs of real models: of different lengths, confident, and padded.
import { readRealBatches } from '../realData.mjs';
import { spread, table } from '../report.mjs';
import { inTurn, measure, ratio, timed } from '../sample.mjs';

export default async function real({ ctc, torch, report, threads, seconds }) {
  const rows = [];
  for (const { name, batch } of readRealBatches()) {
    const { input, targets, inputLengths, blank } = batch;
    const gradient = new Float32Array(input.data.length);
    /** @type {import('../sample.mjs').Contenders} */
    const contenders = {};
    if (torch !== undefined) await torch.load(batch);
    for (const count of threads) {
      const options = { inputLengths, blank, gradient, threads: count };
      contenders[`ctc ${count}`] = timed(() => ctc.ctcLossSync(input, targets, options));
      if (torch !== undefined) contenders[`torch ${count}`] = torch.contender(count);
    }
    const times = await inTurn(contenders, { seconds });
    rows.push([
      `${name} [${input.shape.join(', ')}]`,
      ...threads.flatMap((count) => {
        const ours = times[`ctc ${count}`];
        const ms = spread(report.add(`${name}/${count}/time`, measure(ours, 'ms', 1000)));
        if (torch === undefined) return [ms];
        const faster = ratio(times[`torch ${count}`], ours);
        return [ms, spread(report.add(`${name}/${count}/fasterThanPyTorch`, faster))];
      }),
    ]);
  }
  const columns = (count) => [`ms, ${count} thr.`, ...(torch ? ['PyTorch / this'] : [])];
  table('Loss and gradient of real logits, float32', ['', ...threads.flatMap(columns)], rows);
}
