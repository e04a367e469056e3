// Starts the service; SIGTERM and SIGINT stop it without losing a request.

import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createApp } from './app.mjs';
import { Pool } from './pool.mjs';

// name: [default, least, most]
const NUMBERS = {
  port: [3000, 0, 65_535],
  workers: [Math.max(1, availableParallelism() - 1), 1, 256],
  batch: [8, 1, 64],
  wait: [3, 0, 60_000],
  capacity: [64, 1, 100_000],
  drain: [1000, 0, 600_000],
};

function readOptions() {
  const options = { host: { type: 'string', default: '127.0.0.1' } };
  for (const name of Object.keys(NUMBERS)) options[name] = { type: 'string' };
  const { values } = parseArgs({ options });
  for (const [name, [usual, least, most]] of Object.entries(NUMBERS)) {
    const value = values[name] === undefined ? usual : Number(values[name]);
    if (!(Number.isInteger(value) && value >= least && value <= most)) {
      throw new Error(
        `--${name} is ${values[name]}; it must be an integer from ${least} to ${most}`,
      );
    }
    values[name] = value;
  }
  return values;
}

let options;
try {
  options = readOptions();
} catch (error) {
  console.error(error.message);
  process.exit(2);
}

const pool = await Pool.start(options.workers);
const app = createApp(pool, { ...options, logger: { level: 'warn' } });
console.log(`Listening on ${await app.listen({ host: options.host, port: options.port })}`);

async function stop(signal) {
  console.log(`${signal}: not ready any more, stops in ${options.drain} ms`);
  app.retire();
  // Until load balancers have seen it, they go on sending requests, which are answered.
  await sleep(options.drain);
  await app.close();
  await pool.close();
}
process.once('SIGTERM', stop).once('SIGINT', stop);
