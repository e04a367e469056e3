// A load test: more requests than the service can take, every answer checked; then SIGTERM in the middle of it.
//
//   node examples/serve/load.mjs [--seconds 60] [--connections 64] [--rate 1000] [--correctness-only]
//
// Fails when a request is lost or answered wrongly. Without --correctness-only also when the event loop was late or
// memory grew, which only says something on a machine that does nothing else.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    connections: { type: 'string', default: '64' },
    rate: { type: 'string', default: '1000' },
    'correctness-only': { type: 'boolean', default: false },
  },
});
function number(name) {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 1 && value <= 100_000) return value;
  console.error(`--${name} is ${values[name]}; it must be an integer from 1 to 100000`);
  return process.exit(2);
}
const [seconds, connections, rate] = [number('seconds'), number('connections'), number('rate')];

/** Requests that the service takes on: fewer than there are connections, so that some are refused. */
const CAPACITY = 32;
const MOST_DELAY = 0.02; // seconds, 99th percentile
const MOST_GROWTH = 0.1; // of resident memory, from the first third of the run to the last

const folder = new URL('.', import.meta.url);
const lines = readFileSync(new URL('images/lines.jsonl', folder), 'utf8')
  .trim()
  .split('\n')
  .map((row) => JSON.parse(row))
  .map((line) => ({ ...line, png: readFileSync(new URL(`images/${line.id}.png`, folder)) }));
const HEADERS = { 'content-type': 'image/png' };
const pathOf = ({ text }) => `/read?paths=2&transcript=${encodeURIComponent(text)}`;

const tally = { right: 0, busy: 0, wrong: 0, lost: 0 };

/** Counts an answer. The loss depends a little on the lines that a batch pads this one to. */
function check(line, status, body, headers) {
  if (status === 503) {
    const told = JSON.parse(body).error.code === 'OVERLOADED' && headers['retry-after'] === '1';
    tally[told ? 'busy' : 'wrong'] += 1;
    return;
  }
  const { text, paths, transcript } = status === 200 ? JSON.parse(body) : {};
  const right =
    text === line.read &&
    paths.length === 2 &&
    Math.abs(transcript.loss - line.loss) < 0.01 + 0.05 * line.loss;
  tally[right ? 'right' : 'wrong'] += 1;
}

async function startServer() {
  const main = fileURLToPath(new URL('main.mjs', folder));
  const args = [main, '--port', '0', '--capacity', String(CAPACITY), '--drain', '2000'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { child, url: line.replace('Listening on ', '') };
}

async function metricsOf(url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  const numbers = [...text.matchAll(/^([a-z]\S*) (\S+)$/gm)].map(([, name, n]) => [
    name,
    Number(n),
  ]);
  return Object.fromEntries(numbers);
}

/** Loads the service for `seconds`; samples its metrics meanwhile. */
async function saturate(url) {
  const requests = lines.map((line) => ({
    method: 'POST',
    path: pathOf(line),
    headers: HEADERS,
    body: line.png,
    onResponse: (status, body, _context, headers) => {
      check(line, status, body, headers);
    },
  }));
  let client = 0;
  const run = autocannon({
    url,
    connections,
    duration: seconds,
    overallRate: rate,
    timeout: 10,
    requests,
    // Each connection begins with another line.
    setupClient: (connection) => {
      const first = client++ % requests.length;
      connection.setRequests([...requests.slice(first), ...requests.slice(0, first)]);
    },
  });
  const samples = [];
  const sampling = setInterval(
    () => metricsOf(url).then((sample) => samples.push(sample)),
    (seconds * 1000) / 12,
  );
  const result = await run;
  clearInterval(sampling);
  tally.lost += result.errors + result.timeouts;
  return { samples, latency: result.latency };
}

function ask(url, line, agent) {
  const call = request(`${url}${pathOf(line)}`, { method: 'POST', headers: HEADERS, agent });
  call.end(line.png);
  return new Promise((resolve, reject) => {
    call.on('error', reject).on('response', (response) => {
      const chunks = [];
      response
        .on('data', (chunk) => chunks.push(chunk))
        .on('error', reject)
        .on('end', () => {
          check(line, response.statusCode, Buffer.concat(chunks), response.headers);
          resolve();
        });
    });
  });
}

/** SIGTERM under load. As a load balancer does, the clients go on until the service says that it is not ready. */
async function stopUnderLoad({ child, url }) {
  const agent = new Agent({ keepAlive: true });
  const ended = once(child, 'exit');
  let ready = true;
  let [inFlight, answered] = [0, 0];
  const clients = Array.from({ length: connections }, async (_, i) => {
    for (let turn = i; ready; turn++) {
      inFlight += 1;
      await ask(url, lines[turn % lines.length], agent).then(
        () => (answered += 1),
        () => (tally.lost += 1),
      );
      inFlight -= 1;
    }
  });
  await sleep(500);
  const atSignal = { inFlight, answered };
  child.kill('SIGTERM');
  while (ready) {
    await sleep(20);
    ready = (await fetch(`${url}/readyz`)).ok;
  }
  await Promise.all(clients);
  const [code] = await ended;
  agent.destroy();
  return { code, inFlight: atSignal.inFlight, answered: answered - atSignal.answered };
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
}

const server = await startServer();
await metricsOf(server.url); // what the loop was late while the model was loading does not count
const { samples, latency } = await saturate(server.url);
const total = await metricsOf(server.url);
const served = { ...tally };
const stopped = await stopUnderLoad(server);

const delays = samples.map((sample) => sample.nodejs_eventloop_lag_p99_seconds);
const delay = Math.max(...delays);
const memory = samples.map((sample) => sample.process_resident_memory_bytes);
const third = Math.max(1, Math.floor(memory.length / 3));
const [early, late] = [memory.slice(0, third), memory.slice(-third)].map(median);
const growth = late / early - 1;
const unseen = total['ocr_requests_total{status="200"}'] - served.right;
const batch = total.ocr_batch_size_sum / total.ocr_batch_size_count;
const ms = (value) => `${(1000 * value).toFixed(1)} ms`;
const mb = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

console.log(`${seconds} s, ${connections} connections, up to ${rate} requests a second
answered and right   ${served.right} (${Math.round(served.right / seconds)} a second), ${batch.toFixed(1)} lines a batch
refused, to retry    ${served.busy}
cut off at the end   ${unseen}
latency              median ${latency.p50} ms, 99% ${latency.p99} ms (refused ones included)
event-loop delay     99% ${ms(median(delays))} in the median ${seconds / 12} s, ${ms(delay)} in the worst; 10 ms of it are the timer's own
resident memory      ${mb(early)} in the first third, ${mb(late)} in the last
SIGTERM              ${stopped.inFlight} requests in flight, ${stopped.answered} answered after it; exit code ${stopped.code}
wrong                ${tally.wrong}
lost                 ${tally.lost}`);

const failures = [
  [tally.wrong + tally.lost > 0, 'a request was lost or answered wrongly'],
  [served.right === 0 || served.busy === 0, 'the service was not saturated: raise --rate'],
  [unseen < 0 || unseen > connections, "the service's count of answers is not the clients'"],
  [stopped.code !== 0 || stopped.inFlight === 0, 'it did not stop cleanly under load'],
];
if (!values['correctness-only']) {
  failures.push(
    [!(delay < MOST_DELAY), `the event loop was late by ${ms(delay)}`],
    [!(growth < MOST_GROWTH), `memory grew by ${(100 * growth).toFixed(0)}%`],
  );
}
for (const [failed, message] of failures) {
  if (!failed) continue;
  console.error(message);
  process.exitCode = 1;
}
