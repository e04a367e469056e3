// A thread of the pool: reads one batch after the other.

import { parentPort } from 'node:worker_threads';
import { recognise } from './recognise.mjs';

parentPort.on('message', async (lines) => {
  try {
    parentPort.postMessage({ results: await recognise(lines) });
  } catch (error) {
    parentPort.postMessage({ error });
  }
});
parentPort.postMessage('ready');
