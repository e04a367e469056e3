// Pages as a browser sees them: Debian's Chromium, headless, without a network.

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { inflateSync } from 'node:zlib';
import type { Context } from 'mocha';

const browser = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
);

/** Skips the test where there is no browser; under continuous integration that is a failure. */
export function needChromium(test: Context): void {
  if (browser !== undefined) return;
  if (process.env.CI) assert.fail('Chromium is not installed (Debian: apt-get install chromium)');
  test.skip();
}

async function open(file: string, ...options: string[]): Promise<string> {
  const profile = mkdtempSync(join(tmpdir(), 'node-ctc-chromium-'));
  try {
    const { stdout } = await promisify(execFile)(
      browser!,
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--disable-dev-shm-usage', // containers often have little of it
        '--host-resolver-rules=MAP * ~NOTFOUND',
        '--hide-scrollbars',
        `--user-data-dir=${profile}`,
        ...options,
        pathToFileURL(file).href,
      ],
      { maxBuffer: 2 ** 26 },
    );
    return stdout;
  } finally {
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The document as the browser has parsed it, written out again. */
export function dumpDom(file: string): Promise<string> {
  return open(file, '--dump-dom');
}

export interface Picture {
  width: number;
  height: number;
  /** How many pixels have each colour, as `#rrggbb`. */
  colours: Map<string, number>;
}

export async function screenshot(
  file: string,
  image: string,
  theme: 'light' | 'dark',
  size: [width: number, height: number],
): Promise<Picture> {
  await open(
    file,
    `--screenshot=${image}`,
    `--window-size=${size.join()}`,
    `--blink-settings=preferredColorScheme=${theme === 'dark' ? 0 : 1}`,
  );
  return readPng(readFileSync(image));
}

/** 8-bit RGB and RGBA without interlacing, which is what Chromium writes. */
function readPng(png: Buffer): Picture {
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  assert.deepEqual([png[24], png[28]], [8, 0], '8 bits, not interlaced');
  const channels = png[25] === 6 ? 4 : 3;
  const data: Buffer[] = [];
  for (let place = 8; place < png.length; ) {
    const length = png.readUInt32BE(place);
    if (png.toString('latin1', place + 4, place + 8) === 'IDAT') {
      data.push(png.subarray(place + 8, place + 8 + length));
    }
    place += length + 12;
  }
  const bytes = inflateSync(Buffer.concat(data));
  const stride = width * channels;
  const colours = new Map<string, number>();
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y += 1) {
    const filter = bytes[y * (stride + 1)]!;
    const row = Uint8Array.from(bytes.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1)));
    for (let x = 0; x < stride; x += 1) {
      const left = x < channels ? 0 : row[x - channels]!;
      const corner = x < channels ? 0 : above[x - channels]!;
      row[x]! += predict(filter, left, above[x]!, corner);
    }
    for (let x = 0; x < stride; x += channels) {
      const hex = [row[x]!, row[x + 1]!, row[x + 2]!].map((v) => v.toString(16).padStart(2, '0'));
      const colour = `#${hex.join('')}`;
      colours.set(colour, (colours.get(colour) ?? 0) + 1);
    }
    above = row;
  }
  return { width, height, colours };
}

function predict(filter: number, left: number, above: number, corner: number): number {
  if (filter === 1) return left;
  if (filter === 2) return above;
  if (filter === 3) return (left + above) >> 1;
  if (filter === 0) return 0;
  const estimate = left + above - corner;
  const distances = [left, above, corner].map((value) => Math.abs(estimate - value));
  const nearest = Math.min(...distances);
  return [left, above, corner][distances.indexOf(nearest)]!;
}
