// Evaluates the CTC loss of two real models' outputs and compares it with float64 references.
// Run it with `npm run demo`; the data and where it comes from: examples/data/*/README.md.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ctcLossSync } from 'node-ctc';
import { readManifest } from '../dist/esm/io/manifest.js';
import { readNpy } from '../dist/esm/io/npy.js';
import { makeTokenizer, readTokens } from '../dist/esm/io/tokens.js';

const data = (name) => fileURLToPath(new URL(`data/${name}`, import.meta.url));
// The largest acceptable distance from the float64 reference, relative to max(1, |loss|).
const tolerance = 1e-6;

async function evaluate(folder, manifestName, column) {
  const logits = await readNpy(data(`${folder}/logits.npy`));
  const { symbols, blank } = await readTokens(data(`${folder}/tokens.txt`));
  const { rows } = await readManifest(data(`${folder}/${manifestName}`));
  const reference = JSON.parse(readFileSync(data(`${folder}/reference.json`), 'utf8'));

  const tokenize = makeTokenizer(symbols, blank);
  const targets = rows.map((row) => tokenize(row.text).labels);
  const inputLengths = rows.map((row) => row.frames);

  const start = performance.now();
  const { loss, losses, gradient } = ctcLossSync(logits, targets, {
    inputLengths,
    blank,
    reduction: 'mean',
    gradient: true,
  });
  const milliseconds = performance.now() - start;

  const utterances = rows.map((row, n) => {
    const expected = reference.utterances[n];
    const difference = Math.abs(losses[n] - expected[column]) / Math.max(1, expected[column]);
    const labels = targets[n].length;
    const { id, text, frames } = row;
    return { id, text, frames, labels, loss: losses[n], greedy: expected.greedy, difference };
  });
  const mean = { here: loss, expected: reference[column].mean };
  return { shape: logits.shape, blank, utterances, mean, gradient, milliseconds };
}

const bold = (text) =>
  process.stdout.isTTY && !process.env.NO_COLOR ? `\u001b[1m${text}\u001b[22m` : text;
const heading = (text) => console.log(`\n${bold(text)}\n`);

function printTable(utterances) {
  console.log(bold('  id        frames  labels      loss  transcript'));
  for (const { id, frames, labels, loss, text } of utterances) {
    const numbers = [
      String(frames).padStart(6),
      String(labels).padStart(6),
      fixed(loss).padStart(8),
    ];
    console.log(`  ${id}  ${numbers.join('  ')}  ${text}`);
  }
}

/** Ids and losses alone, three to a line. */
function printGrid(utterances) {
  console.log(bold(`  ${Array(3).fill('id             loss').join('      ')}`));
  const height = Math.ceil(utterances.length / 3);
  for (let i = 0; i < height; i++) {
    const line = [i, i + height, i + 2 * height].map((n) => utterances[n]).filter(Boolean);
    const cells = line.map(({ id, loss }) => `${id} ${fixed(loss).padStart(10)}`);
    console.log(`  ${cells.join('      ')}`);
  }
}

function printWorst(utterances, count) {
  const perLabel = ({ loss, labels }) => loss / labels;
  const worst = utterances.toSorted((a, b) => perLabel(b) - perLabel(a)).slice(0, count);
  console.log(`\n  ${bold('Worst by loss per label')}`);
  for (const utterance of worst) {
    const { id, loss, text, greedy } = utterance;
    console.log(`  ${id}  loss ${fixed(loss)}, ${fixed(perLabel(utterance))} per label`);
    console.log(`    transcript   ${text}`);
    console.log(`    model reads  ${greedy}`);
  }
}

function printMean({ mean, utterances, gradient, milliseconds }) {
  const difference = Math.max(...utterances.map((utterance) => utterance.difference));
  const fine = difference <= tolerance;
  if (!fine) process.exitCode = 1;
  console.log(
    `\n  mean loss       ${mean.here.toFixed(8)}  (each loss / its labels, then the mean)`,
  );
  console.log(`  PyTorch float64 ${mean.expected.toFixed(8)}`);
  console.log(
    `  furthest loss from its reference: ${difference.toExponential(1)} relative` +
      (fine ? '' : `, MORE THAN ${tolerance}`),
  );
  console.log(
    `  ${utterances.length} losses and ${gradient.length.toLocaleString('en')} gradient entries ` +
      `in ${milliseconds.toFixed(1)} ms`,
  );
}

const fixed = (number) => number.toFixed(4);
const describe = ({ shape: [frames, utterances, classes], blank }, what) =>
  `${utterances} ${what}, up to ${frames} frames, ${classes} classes, blank ${blank}`;

console.log('CTC losses of two real models, from logits, transcripts and tokens in examples/data.');

const ocr = await evaluate('ocr', 'manifest.jsonl', 'final');
heading(`OCR: ${describe(ocr, 'lines of text')}`);
printGrid(ocr.utterances);
printWorst(ocr.utterances, 5);
printMean(ocr);

const speech = await evaluate('speech', 'manifest.jsonl', 'final');
heading(`Speech: ${describe(speech, 'sentences')}`);
printTable(speech.utterances);
printWorst(speech.utterances, 3);
printMean(speech);

const wrong = await evaluate('ocr', 'manifest_shuffled.jsonl', 'shuffled');
heading("OCR again, each line against another line's transcript");
console.log(
  '  A confident model and a wrong text: sums of plain probabilities would underflow here.',
);
printWorst(wrong.utterances, 3);
printMean(wrong);

console.log(`
The same from the command line:
  npx node-ctc loss examples/data/ocr/logits.npy examples/data/ocr/manifest.jsonl \\
    --tokens examples/data/ocr/tokens.txt`);
