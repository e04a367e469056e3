// Text lines to learn from: random digits, drawn with real fonts, a little crooked and noisy.

import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createCanvas, GlobalFonts } from '@napi-rs/canvas';

/** Class 0 is the blank; classes 1 to 10 are the digits. */
export const TOKENS = ['<blank>', ...'0123456789'];

/** Size of a line's picture in pixels. */
export const WIDTH = 160;
export const HEIGHT = 24;

const DIGITS = { least: 3, most: 9 };

// The fonts that have ordinary digits: sans, serif and mono; bold, oblique and condensed.
const folder = join(
  dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')),
  'ttf',
);
export const FONTS = readdirSync(folder)
  .filter((file) => /^DejaVuS.*\.ttf$/.test(file))
  .sort()
  .map((file) => {
    const name = file.replace('.ttf', '');
    GlobalFonts.registerFromPath(join(folder, file), name);
    return name;
  });

/** mulberry32: uniform in [0, 1). `state` is one number, so that a checkpoint can hold it. */
export function randomFrom(state) {
  const random = () => {
    random.state = (random.state + 0x6d2b79f5) >>> 0;
    let z = random.state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
  random.state = state >>> 0;
  return random;
}

const canvas = createCanvas(WIDTH, HEIGHT);
const context = canvas.getContext('2d', { willReadFrequently: true });

/**
 * Draws one line.
 *
 * @returns `text`, `font`, `labels` (a class for each digit), and `ink`: Float32Array of HEIGHT * WIDTH, 0 is
 * paper and 1 is ink.
 */
export function drawLine(random) {
  const between = (least, most) => least + random() * (most - least);
  const length = Math.floor(between(DIGITS.least, DIGITS.most + 1));
  const text = Array.from({ length }, () => Math.floor(random() * 10)).join('');
  const font = FONTS[Math.floor(random() * FONTS.length)];

  context.resetTransform();
  context.fillStyle = 'white';
  context.fillRect(0, 0, WIDTH, HEIGHT);
  const size = between(14, 19);
  context.font = `${size}px ${font}`;
  // Wide fonts are squeezed, so that every line fits.
  const wide = context.measureText(text).width;
  const stretch = Math.min(between(0.85, 1.1), (WIDTH - 16) / wide);
  context.translate(between(4, WIDTH - 4 - wide * stretch), HEIGHT / 2 + between(-1.5, 1.5));
  context.transform(stretch, between(-0.02, 0.02), between(-0.2, 0.2), 1, 0, 0);
  context.fillStyle = `rgb(0 0 0 / ${between(0.6, 1)})`;
  context.textBaseline = 'middle';
  context.fillText(text, 0, 0);

  const { data } = context.getImageData(0, 0, WIDTH, HEIGHT);
  const noise = between(0, 0.15);
  const ink = new Float32Array(WIDTH * HEIGHT);
  for (let i = 0; i < ink.length; i++) ink[i] = 1 - data[4 * i] / 255 + noise * (random() - 0.5);
  return { text, font, labels: Array.from(text, (digit) => TOKENS.indexOf(digit)), ink };
}

export const drawLines = (random, count) => Array.from({ length: count }, () => drawLine(random));
