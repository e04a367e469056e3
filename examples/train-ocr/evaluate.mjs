// What the trained network is worth: error rates and a page by the command line, and where it saw each digit.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createCanvas } from '@napi-rs/canvas';
import { errorRate, forcedAlign } from 'node-ctc';
import { greedyDecode } from 'node-ctc/tfjs';
import { HEIGHT, TOKENS, WIDTH } from './lines.mjs';
import { FRAMES, logitsOf, patchesOf } from './model.mjs';

/** Decodes `lines`. Returns their logits, the texts that were read, and the character error rate. */
export async function read(weights, lines) {
  const patches = patchesOf(lines);
  const logits = logitsOf(weights, patches);
  patches.dispose();
  const { utterances } = await greedyDecode(logits, { tokens: TOKENS, wordDelimiter: null });
  const texts = utterances.map(({ text }) => text);
  const data = await logits.data();
  const shape = logits.shape;
  logits.dispose();
  const { rate } = errorRate(
    lines.map(({ text }) => text),
    texts,
  );
  return { logits: { data, shape }, texts, rate };
}

/**
 * Writes the logits of `lines` and what goes with them into `folder`, and lets `node-ctc eval` judge them and
 * write a page about it.
 */
export function judge(folder, lines, logits) {
  const at = (name) => join(folder, name);
  writeFileSync(at('logits.npy'), npy(logits));
  const rows = lines.map(({ text, font }, n) => ({
    id: `${String(n).padStart(3, '0')}-${font}`,
    text,
    frames: FRAMES,
  }));
  writeFileSync(at('manifest.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  writeFileSync(at('tokens.txt'), TOKENS.map((token) => `${token}\n`).join(''));

  const data = [at('logits.npy'), '--manifest', at('manifest.jsonl'), '--tokens', at('tokens.txt')];
  const options = ['--worst', '5', '--word-delimiter', '', '--quiet', '--html', at('report.html')];
  console.log(command('eval', ...data, ...options));
}

/** Runs the command line of node-ctc, and returns what it prints. */
function command(...args) {
  console.log(`\nnode-ctc ${args.map((arg) => arg || '""').join(' ')}\n`);
  const manifest = createRequire(import.meta.url).resolve('node-ctc/package.json');
  const main = join(dirname(manifest), 'dist/cjs/cli/main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`node-ctc ${args[0]} failed: ${stderr}`);
  return stdout;
}

/** A float32 array as numpy's format has it. */
function npy({ data, shape }) {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`;
  const padded = `${header.padEnd(64 * Math.ceil((header.length + 11) / 64) - 11)}\n`;
  const start = Buffer.from(`\x93NUMPY\x01\x00\x00\x00${padded}`, 'latin1');
  start.writeUInt16LE(padded.length, 8);
  return Buffer.concat([start, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}

const SCALE = 4;
const BAND = 40;
const COLOURS = ['#4477aa', '#ee6677', '#228833', '#ccbb44', '#66ccee', '#aa3377'];

/** Draws lines with the frames that belong to each of their digits (forced alignment) below them. */
export async function drawAlignments(file, lines, texts, logits) {
  const { utterances } = await forcedAlign(
    logits,
    lines.map(({ labels }) => labels),
  );
  const rowHeight = HEIGHT * SCALE + BAND;
  const canvas = createCanvas(WIDTH * SCALE + 220, lines.length * rowHeight);
  const context = canvas.getContext('2d');
  context.fillStyle = 'white';
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const [n, line] of lines.entries()) {
    const top = n * rowHeight;
    drawInk(context, line.ink, top);
    for (const [i, { token, start, end, score }] of utterances[n].spans.entries()) {
      const x = (start * WIDTH * SCALE) / FRAMES;
      const width = ((end - start) * WIDTH * SCALE) / FRAMES;
      context.fillStyle = COLOURS[i % COLOURS.length];
      context.globalAlpha = Math.max(0.15, score);
      context.fillRect(x, top + HEIGHT * SCALE + 2, width, 8);
      context.globalAlpha = 1;
      context.font = '16px DejaVuSansMono';
      context.fillText(TOKENS[token], x + width / 2 - 5, top + HEIGHT * SCALE + 26);
    }
    const right = texts[n] === line.text;
    context.fillStyle = right ? 'black' : '#cc0000';
    context.font = '18px DejaVuSansMono';
    context.fillText(`reads ${texts[n]}`, WIDTH * SCALE + 16, top + 40);
    if (!right) context.fillText(`is    ${line.text}`, WIDTH * SCALE + 16, top + 64);
    context.fillStyle = '#666666';
    context.font = '12px DejaVuSans';
    context.fillText(line.font, WIDTH * SCALE + 16, top + 86);
  }
  writeFileSync(file, canvas.toBuffer('image/png'));
}

function drawInk(context, ink, top) {
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const grey = Math.round(255 * (1 - Math.min(1, Math.max(0, ink[y * WIDTH + x]))));
      context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
      context.fillRect(x * SCALE, top + y * SCALE, SCALE, SCALE);
    }
  }
}
