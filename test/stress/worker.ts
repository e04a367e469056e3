// One thread of the stress test: takes job after job, several at a time, until all are taken.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { seeded } from '../support/close.js';
import { COUNT, type WorkerInput } from './counts.js';
import { makeWork, runJob } from './jobs.js';

const { seed, end, lanes, arpa, expected, counts } = workerData as WorkerInput;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const work = makeWork(seed, arpa);

async function lane(): Promise<void> {
  for (;;) {
    const number = Atomics.add(counts, COUNT.taken, 1);
    if (number >= end) return;
    const outcome = await runJob(number, seed, work, expected);
    Atomics.add(counts, COUNT[outcome], 1);
    // While the other lanes' jobs run.
    if (seeded(seed + number)() < 0.05) {
      collect();
      Atomics.add(counts, COUNT.collections, 1);
    }
  }
}

parentPort?.postMessage('begun');
await Promise.all(Array.from({ length: lanes }, lane));
