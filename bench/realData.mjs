// The bundled outputs of two real models (examples/data).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../examples/data', import.meta.url));

/**
 * The final models' outputs with their own transcripts, and with wrong ones.
 *
 * @returns {{ name: string, batch: import('./inputs.mjs').Batch }[]}
 */
export function readRealBatches() {
  return ['ocr', 'speech'].flatMap((name) => {
    const folder = join(root, name);
    const { blank } = JSON.parse(readFileSync(join(folder, 'reference.json'), 'utf8'));
    const input = readNpy(join(folder, 'logits.npy'));
    return [
      { name, batch: { input, blank, ...readManifest(folder, 'manifest.jsonl') } },
      {
        name: `${name}, wrong texts`,
        batch: { input, blank, ...readManifest(folder, 'manifest_shuffled.jsonl') },
      },
    ];
  });
}

// float32, C order, version 1.
function readNpy(file) {
  const bytes = readFileSync(file);
  const start = 10 + bytes.readUInt16LE(8);
  const shape = /\(([^)]*)\)/.exec(bytes.toString('latin1', 10, start))?.[1];
  return {
    data: new Float32Array(Uint8Array.from(bytes.subarray(start)).buffer),
    shape: shape.split(',').map(Number),
    type: /** @type {const} */ ('float32'),
  };
}

function readManifest(folder, file) {
  const tokens = readFileSync(join(folder, 'tokens.txt'), 'utf8').replace(/\n$/, '').split('\n');
  const lines = readFileSync(join(folder, file), 'utf8').trim().split('\n');
  const utterances = lines.map((line) => JSON.parse(line));
  return {
    targets: utterances.map(({ text }) => [...text].map((symbol) => tokens.indexOf(symbol))),
    inputLengths: utterances.map(({ frames }) => frames),
  };
}
