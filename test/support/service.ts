// examples/serve as a process of its own, and what to ask it.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type ClientRequest, request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from './paths.js';

export const folder = join(root, 'examples', 'serve');

/** A line of the example: what it says, what the model reads in it, and the loss of `text`. */
export interface Line {
  id: string;
  text: string;
  read: string;
  loss: number;
  png: Buffer;
}

export const lines: Line[] = readFileSync(join(folder, 'images', 'lines.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((row) => JSON.parse(row) as Omit<Line, 'png'>)
  .map((line) => ({ ...line, png: readFileSync(join(folder, 'images', `${line.id}.png`)) }));

export interface Character {
  text: string;
  confidence: number;
  start: number;
  end: number;
}

export interface Reading {
  text: string;
  confidence: number;
  characters: Character[];
}

export interface Answer extends Reading {
  paths: Reading[];
  transcript?: { status: string; loss: number | null; characters: Character[] };
  error?: { code: string; message: string };
}

export interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Answer;
}

export interface Call {
  path?: string;
  body?: Buffer;
  type?: string;
  /** Sends only so many bytes of the body; the caller ends it. */
  first?: number;
}

/** Sends a request; `sent` is the client's side of it. */
export function send(url: string, { path = '/read', body, type = 'image/png', first }: Call) {
  const sent: ClientRequest = request(url + path, {
    method: 'POST',
    headers: body && { 'content-type': type, 'content-length': body.length },
    agent: false,
  });
  if (first === undefined) sent.end(body);
  else sent.write(body!.subarray(0, first));
  const reply = new Promise<Reply>((resolve, reject) => {
    sent.on('error', reject).on('response', async (response) => {
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk);
        const text = Buffer.concat(chunks).toString();
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          body: JSON.parse(text) as Answer,
        });
      } catch (error) {
        reject(error);
      }
    });
  });
  return { sent, reply };
}

export class Service {
  readonly #child: ChildProcess;
  readonly url: string;
  readonly ended: Promise<[code: number | null, signal: string | null]>;

  static async start(...args: string[]): Promise<Service> {
    const child = spawn(
      process.execPath,
      [join(folder, 'main.mjs'), '--port', '0', '--workers', '1', ...args],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    return new Service(child, line.replace('Listening on ', ''));
  }

  constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
    this.ended = once(child, 'exit') as Service['ended'];
  }

  read(line: Pick<Line, 'png'>, query = ''): Promise<Reply> {
    return send(this.url, { path: `/read${query}`, body: line.png }).reply;
  }

  async metrics(): Promise<Map<string, number>> {
    const response = await fetch(`${this.url}/metrics`);
    assert.match(response.headers.get('content-type')!, /^text\/plain; version=0.0.4/);
    const rows = (await response.text()).matchAll(/^([a-z]\S*) (\S+)$/gm);
    return new Map([...rows].map(([, name, value]) => [name!, Number(value)]));
  }

  /** Waits until a metric has a value. */
  async until(name: string, value: number): Promise<void> {
    for (let last: number | undefined; last !== value; await sleep(10)) {
      last = (await this.metrics()).get(name) ?? 0;
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(): Promise<void> {
    this.kill('SIGKILL');
    await this.ended;
  }
}
