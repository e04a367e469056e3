// Packs reference data into test/fixtures (see its README for what is in them and what is left out).
//   node scripts/pack-fixtures.mjs golden FOLDER    cases.json with raw arrays beside it
//   node scripts/pack-fixtures.mjs real FOLDER      FOLDER/{ocr,speech}/{mid,early}.npy, torch_loss.json
//   node scripts/pack-fixtures.mjs times FOLDER     FOLDER/ocr/charpos.jsonl, FOLDER/speech/words.jsonl
// The tests must have been compiled before: gradients that the oracle gives as well are left out,
// and here is where that is checked.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import { oracleGradient } from '../build/test/support/golden.js';

const fixtures = fileURLToPath(new URL('../test/fixtures/', import.meta.url));
// Gradients larger than this are left to the oracle.
const largestGradientKept = 20_000;

function planes(array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const width = array.BYTES_PER_ELEMENT;
  const result = new Uint8Array(bytes.length);
  for (let i = 0; i < array.length; i += 1) {
    for (let plane = 0; plane < width; plane += 1) {
      result[plane * array.length + i] = bytes[i * width + plane];
    }
  }
  return result;
}

function write(name, meta, arrays) {
  const list = Object.entries(arrays).map(([key, array]) => ({
    name: key,
    dtype: array instanceof Float64Array ? 'float64' : 'float32',
    length: array.length,
  }));
  const header = Buffer.from(JSON.stringify({ meta, arrays: list }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const packed = brotliCompressSync(
    Buffer.concat([length, header, ...Object.values(arrays).map(planes)]),
    { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 } },
  );
  writeFileSync(join(fixtures, name), packed);
  console.log(`${name}: ${(packed.length / 1e6).toFixed(2)} MB`);
}

function readArray(file, dtype, skip = 0) {
  const bytes = readFileSync(file).subarray(skip);
  const View = dtype === 'float64' ? Float64Array : Float32Array;
  return new View(new Uint8Array(bytes).buffer);
}

/** Utterance n of a T x N x V array. */
function onlyUtterance(array, [T, N, V], n) {
  const result = new array.constructor(T * V);
  for (let t = 0; t < T; t += 1) {
    result.set(array.subarray((t * N + n) * V, (t * N + n + 1) * V), t * V);
  }
  return result;
}

function packGolden(folder) {
  const { cases } = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8'));
  const arrays = {};
  let worst = 0;
  const kept = cases.map((source) => {
    const load = (name) => {
      const { file, dtype } = source[name];
      return readArray(join(folder, file), dtype);
    };
    const { id, description, mode, T, N, V, blank, targets, inputLengths, targetLengths } = source;
    let golden = { id, description, mode, T, N, V, blank, targets, inputLengths, targetLengths };
    if (source.infeasible) golden.infeasible = source.infeasible;
    golden.reduced = source.reduced;
    golden.gradients = ['grad', 'gradMean', 'gradTorch', 'gradTrue'].filter((name) => source[name]);
    let input = load('input');
    let loss = load('loss');
    let cut = (array) => array;
    // The largest case by far: one of its two utterances.
    if (id === 'bigv-7000') {
      cut = (array) => onlyUtterance(array, [T, N, V], 0);
      input = cut(input);
      loss = loss.slice(0, 1);
      golden = {
        ...golden,
        N: 1,
        targets: [targets[0]],
        inputLengths: [inputLengths[0]],
        targetLengths: [targetLengths[0]],
        reduced: undefined,
      };
    }
    arrays[`${id}/input`] = input;
    arrays[`${id}/loss`] = loss;
    const isLarge = input.length * 8 > largestGradientKept;
    if (isLarge) golden.gradientsFromOracle = true;
    for (const name of golden.gradients) {
      const gradient = cut(load(name));
      const mine = oracleGradient({ ...golden, input }, name);
      mine.forEach((g, i) => {
        const deviation = Math.abs(g - gradient[i]) / Math.max(1, Math.abs(gradient[i]));
        if (!(deviation <= 1e-10)) throw new Error(`${id} ${name}[${i}]: ${g}, not ${gradient[i]}`);
        worst = Math.max(worst, deviation);
      });
      if (!isLarge) arrays[`${id}/${name}`] = gradient;
    }
    return golden;
  });
  console.log(`${kept.length} cases; the oracle's largest deviation on a gradient: ${worst}`);
  write('golden.bin.br', { cases: kept }, arrays);
}

/** A float32 .npy file of version 1, C order: its shape and data. */
function readNpy(file) {
  const bytes = readFileSync(file);
  const headerLength = bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, 10 + headerLength);
  if (!/'descr': '<f4', 'fortran_order': False/.test(header)) throw new Error(header);
  const shape = header
    .match(/\(([^)]*)\)/)[1]
    .split(',')
    .filter(Boolean)
    .map(Number);
  return { shape, data: readArray(file, 'float32', 10 + headerLength) };
}

function packReal(folder) {
  const arrays = {};
  const corpora = ['ocr', 'speech'].map((name) => {
    // Every second line of the larger corpus is kept.
    const step = name === 'ocr' ? 2 : 1;
    const { blank, reductions, cer, utterances } = JSON.parse(
      readFileSync(join(folder, name, 'torch_loss.json'), 'utf8'),
    );
    const frames = readFileSync(join(folder, name, 'manifest.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).frames);
    let shape;
    for (const checkpoint of ['mid', 'early']) {
      const npy = readNpy(join(folder, name, `${checkpoint}.npy`));
      shape = npy.shape;
      const [, N, C] = shape;
      // Only the frames that count, utterance after utterance.
      const rows = frames.flatMap((count, n) =>
        n % step > 0
          ? []
          : Array.from({ length: count }, (_, t) =>
              npy.data.subarray((t * N + n) * C, (t * N + n + 1) * C),
            ),
      );
      const data = new Float32Array(rows.length * C);
      rows.forEach((row, i) => {
        data.set(row, i * C);
      });
      arrays[`${name}/${checkpoint}`] = data;
    }
    return { name, blank, shape, step, reductions, cer, utterances };
  });
  write('real.bin.br', { corpora }, arrays);
}

/** Where characters and words truly are, in frames. */
function packTimes(folder) {
  const lines = (...path) =>
    readFileSync(join(folder, ...path), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  const ocr = lines('ocr', 'charpos.jsonl').map(({ id, chars }) => ({ id, spans: chars }));
  const speech = lines('speech', 'words.jsonl').map(({ id, words }) => ({
    id,
    words: words.map(({ word }) => word),
    spans: words.map(({ startFrame, endFrame }) => [startFrame, endFrame]),
  }));
  write('times.bin.br', { ocr, speech }, {});
}

const [what, folder] = process.argv.slice(2);
if (what === 'golden' && folder) packGolden(folder);
else if (what === 'real' && folder) packReal(folder);
else if (what === 'times' && folder) packTimes(folder);
else {
  console.error('usage: node scripts/pack-fixtures.mjs golden|real|times FOLDER');
  process.exit(2);
}
