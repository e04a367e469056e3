// A progress bar with rate and time left, on a terminal; nothing anywhere else.

import { count } from './terminal.js';

export interface ProgressBar {
  /** Utterances that are done. */
  readonly done: number;
  update(progress: { done: number; resumed: number; total: number }): void;
  /** Writes something above the bar. */
  aside(write: () => void): void;
  stop(): void;
}

/** `noun` in the plural. The bar's library is an optional dependency: without it there is no bar. */
export async function progressBar(noun: string, quiet?: boolean): Promise<ProgressBar> {
  const library = process.stderr.isTTY && !quiet ? await load() : undefined;
  const bar =
    library &&
    new library.SingleBar({
      format: (_, { progress, value, total }, { rate, left }: Payload) => {
        const width = Math.max(5, Math.min(30, (process.stderr.columns ?? 80) - 60));
        const filled = Math.round(width * progress);
        const drawn = '█'.repeat(filled) + '░'.repeat(width - filled);
        const percent = `${Math.floor(100 * progress)}%`.padStart(4);
        return `${drawn} ${percent}  ${value}/${total} ${noun}  ${rate}/s  ${left} left`;
      },
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
      fps: 5,
    });
  let done = 0;
  let began: number | undefined;
  return {
    get done() {
      return done;
    },
    update(progress) {
      done = progress.done;
      if (bar === undefined) return;
      if (began === undefined) {
        began = performance.now();
        bar.start(progress.total, done, { rate: '-', left: '-' } satisfies Payload);
        return;
      }
      const perSecond = (1000 * (done - progress.resumed)) / (performance.now() - began);
      const left = (progress.total - done) / perSecond;
      bar.update(done, { rate: formatRate(perSecond), left: formatSeconds(left) });
    },
    aside(write) {
      // The bar's line is overwritten at its next turn.
      if (bar !== undefined) process.stderr.write('\r\u001b[K');
      write();
    },
    stop() {
      bar?.stop();
    },
  };
}

interface Payload {
  rate: string;
  left: string;
}

async function load(): Promise<typeof import('cli-progress') | undefined> {
  try {
    const { default: library } = await import('cli-progress');
    return library;
  } catch {
    return undefined;
  }
}

export function formatRate(perSecond: number): string {
  return perSecond < 10 ? perSecond.toFixed(1) : String(Math.round(perSecond));
}

/** 7 s, 3 min 20 s, 5 h 2 min. */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-';
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const hours = Math.floor(whole / 3600);
  if (hours < 48) return `${hours} h ${Math.floor((whole % 3600) / 60)} min`;
  return count(Math.floor(hours / 24), 'day');
}
