// What `node-ctc queue` prints. docs/scaling.md has the schema of the JSON.

import type {
  AddedRun,
  JobEvent,
  RunStatus,
  ShardStatus,
  WorkEvent,
  WorkProgress,
} from '../queue/index.js';
import { formatRate, formatSeconds, type ProgressBar, progressBar } from './progress.js';
import { clip, count, padEnd, paletteFor, showWarning } from './terminal.js';

export { showWarning };

/** Shards in one state beyond these are only counted: --json has all of them. */
const listedShards = 20;

const line = (text = '') => process.stdout.write(`${text.trimEnd()}\n`);

export function showAdded(added: AddedRun, json?: boolean): void {
  if (json) {
    line(JSON.stringify({ type: 'run', ...added }));
    return;
  }
  const { run, state, shards, utterances, retried, failed, out } = added;
  const size = `${count(utterances, 'utterance')} in ${count(shards, 'shard')}`;
  if (state === 'complete') {
    line(`complete already: ${clip(out)} has the results of ${size}`);
  } else if (state === 'added') {
    line(`run ${run} added: ${size}`);
  } else {
    line(`run ${run} is there already: ${size}`);
    if (retried > 0) line(`${count(retried, 'failed job')} put back`);
    if (failed > 0)
      line(`${count(failed, 'job')} failed: --retry puts ${failed === 1 ? 'it' : 'them'} back`);
  }
}

export function showRemoved(run: string, json?: boolean): void {
  line(json ? JSON.stringify({ type: 'removed', run }) : `run ${run} removed`);
}

interface WorkReport {
  onEvent(event: WorkEvent): void;
  onProgress(progress: WorkProgress): void;
  stop(): void;
}

interface Shown {
  json?: boolean;
  quiet?: boolean;
}

/** Shows what a worker does: a line for what happens, and a progress bar for the shard at work. */
export function workReport({ json, quiet }: Shown): WorkReport {
  let bar: ProgressBar | undefined;
  const stop = () => {
    bar?.stop();
    bar = undefined;
  };
  return {
    onEvent(event) {
      const write = () => (json ? line(JSON.stringify(event)) : showEvent(event));
      if (event.type === 'shard') {
        stop();
        if (event.state === 'started') {
          void progressBar('utterances', quiet).then((fresh) => {
            bar = fresh;
          });
        }
      }
      if (bar === undefined) write();
      else bar.aside(write);
    },
    onProgress: (progress) => bar?.update(progress),
    stop,
  };
}

function showEvent(event: WorkEvent): void {
  if (!('state' in event)) {
    if (event.type === 'warning') showWarning(event.message);
    else process.stderr.write(`${clip(event.message)}\n`);
    return;
  }
  const { red } = paletteFor(process.stdout);
  const { run, shard, state, reason = '' } = event;
  const what = shard === null ? `run ${run}` : `run ${run} shard ${shard}`;
  switch (state) {
    case 'started':
      return;
    case 'done':
      line(`${what}: ${describeDone(event)}`);
      return;
    case 'retrying':
      line(`${what}: ${red('will be tried again')}: ${clip(reason)}`);
      return;
    case 'failed':
      line(`${what}: ${red('failed')}: ${clip(reason)}`);
      return;
    case 'returned':
      line(`${what}: given back`);
      return;
    case 'lost':
      line(`${what}: left to another worker: ${clip(reason)}`);
  }
}

function describeDone({ utterances = 0, seconds, results, html }: JobEvent): string {
  const done = count(utterances, 'utterance');
  if (seconds === undefined) {
    const files = [results, html].filter((file) => file !== undefined);
    return `${done} merged: ${files.map((file) => clip(file)).join(', ')}`;
  }
  const took = seconds < 10 ? `${seconds.toFixed(1)} s` : formatSeconds(seconds);
  return `${done} in ${took} (${formatRate(utterances / seconds)}/s)`;
}

/** Shows how far runs are while they are waited for. */
export async function waitReport(quiet?: boolean) {
  const bar = await progressBar('utterances', quiet);
  let resumed: number | undefined;
  return {
    onStatus(runs: RunStatus[]) {
      const sum = (key: 'done' | 'utterances') => runs.reduce((all, run) => all + run[key], 0);
      const done = sum('done');
      resumed ??= done;
      bar.update({ done, resumed, total: sum('utterances') });
    },
    onNotice: (message: string) => bar.aside(() => process.stderr.write(`${clip(message)}\n`)),
    stop: () => bar.stop(),
  };
}

export function showStatus(runs: readonly RunStatus[], json?: boolean): void {
  if (json) {
    for (const run of runs) line(JSON.stringify({ type: 'run', ...run }));
    return;
  }
  if (runs.length === 0) line('no runs');
  runs.forEach((run, i) => {
    if (i > 0) line();
    showRun(run);
  });
}

function showRun({
  run,
  out,
  state,
  utterances,
  done,
  perSecond,
  counts,
  ...rest
}: RunStatus): void {
  const { bold, red, dim } = paletteFor(process.stdout);
  const shown = state === 'failed' ? red(state) : state;
  line(`${bold(run)}  ${shown}  ${dim(clip(out))}`);
  const percent = utterances > 0 ? ` (${Math.floor((100 * done) / utterances)}%)` : '';
  const left =
    perSecond > 0
      ? `  ${formatRate(perSecond)}/s  ${formatSeconds((utterances - done) / perSecond)} left`
      : '';
  line(`utterances  ${done}/${utterances}${percent}${left}`);
  const parts = Object.entries(counts).filter(([, n]) => n > 0);
  line(`shards      ${parts.map(([name, n]) => `${n} ${name}`).join(', ')}`);
  if (rest.statuses !== null) {
    const bad = Object.entries(rest.statuses).filter(([status]) => status !== 'ok');
    for (const [status, n] of bad) line(`            ${n} ${red(status)}`);
  }
  if (rest.reason !== null && state === 'failed')
    line(`${red('merging failed:')} ${clip(rest.reason)}`);
  for (const each of ['active', 'retrying', 'failed'] as const) {
    listShards(rest.shards.filter((shard) => shard.state === each));
  }
}

function listShards(shards: readonly ShardStatus[]): void {
  const { dim, red } = paletteFor(process.stdout);
  for (const {
    shard,
    state,
    utterances,
    done,
    perSecond,
    worker,
    takenOver,
    reason,
  } of shards.slice(0, listedShards)) {
    const name = state === 'active' ? padEnd(state, 8) : red(padEnd(state, 8));
    const taken =
      takenOver > 0 ? `, taken over ${takenOver === 1 ? 'once' : `${takenOver} times`}` : '';
    const detail =
      state === 'active'
        ? `${done}/${utterances}  ${formatRate(perSecond)}/s  ${dim(`${clip(worker ?? '')}${taken}`)}`
        : clip(reason ?? '');
    line(`  shard ${String(shard).padStart(5)}  ${name}  ${detail}`);
  }
  const more = shards.length - listedShards;
  if (more > 0) line(dim(`  and ${more} more; --json has all of them`));
}
