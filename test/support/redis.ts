// A Redis server of a test's own: Debian's redis-server on a free port, in a folder that is thrown away.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Context } from 'mocha';

const program = 'redis-server';
const installed = spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;

/** Skips the tests where there is no Redis; under continuous integration that is a failure. */
export function needRedis(test: Context): void {
  if (installed) return;
  if (process.env.CI) assert.fail('Redis is not installed (Debian: apt-get install redis-server)');
  process.stderr.write(
    'skipped: redis-server is not installed (Debian: apt-get install redis-server)\n',
  );
  test.skip();
}

const running = new Set<ChildProcess>();
// Also where the tests end in the middle.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class RedisServer {
  readonly url: string;
  readonly port: number;
  readonly #folder: string;
  #child: ChildProcess | undefined;

  private constructor(port: number, folder: string) {
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.#folder = folder;
  }

  static async start(): Promise<RedisServer> {
    for (let attempt = 0; ; attempt++) {
      const folder = mkdtempSync(join(tmpdir(), 'node-ctc-redis-'));
      const server = new RedisServer(await freePort(), folder);
      try {
        await server.begin();
        return server;
      } catch (error) {
        await server.remove();
        // Another process may have taken the port meanwhile.
        if (attempt === 2) throw error;
      }
    }
  }

  /** Begins, or begins again with what `save` kept. */
  async begin(...options: string[]): Promise<void> {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#folder];
    const child = spawn(program, [...args, '--save', '', '--appendonly', 'no', ...options], {
      stdio: 'ignore',
    });
    this.#child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    const client = new Redis(this.url, { lazyConnect: true, retryStrategy: () => null });
    client.on('error', () => {});
    try {
      while ((await attempt(() => client.connect())) === undefined) {
        assert.equal(child.exitCode, null, `${program} ended with ${child.exitCode}`);
        await sleep(20);
      }
    } finally {
      client.disconnect();
    }
  }

  /** Keeps what it holds for the next `begin`. */
  async save(): Promise<void> {
    await this.use((client) => client.save());
  }

  async use<R>(task: (client: Redis) => Promise<R>, url = this.url): Promise<R> {
    const client = new Redis(url);
    try {
      return await task(client);
    } finally {
      client.disconnect();
    }
  }

  /** Ends without a word to anyone. */
  async end(): Promise<void> {
    const child = this.#child;
    if (child === undefined || !running.has(child)) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
  }

  async remove(): Promise<void> {
    await this.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** 'done', or undefined where it throws. */
async function attempt(task: () => Promise<unknown>): Promise<'done' | undefined> {
  try {
    await task();
    return 'done';
  } catch {
    return undefined;
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
