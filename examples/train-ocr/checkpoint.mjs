// Checkpoints: weights, optimizer and progress in one .safetensors file, so that a stop at any moment leaves
// either the old file or the new one, whole.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';

/** Writes the file; `progress` is an object that JSON can hold. */
export async function saveCheckpoint(file, weights, optimizer, progress) {
  const header = { __metadata__: { progress: JSON.stringify(progress) } };
  const parts = [];
  let offset = 0;
  const add = (name, tensor) => {
    const data = tensor.dataSync();
    const end = offset + data.byteLength;
    const dtype = tensor.dtype === 'int32' ? 'I32' : 'F32';
    header[name] = { dtype, shape: tensor.shape, data_offsets: [offset, end] };
    parts.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    offset = end;
  };
  for (const [name, variable] of Object.entries(weights)) add(name, variable);
  for (const [i, { tensor }] of (await optimizer.getWeights()).entries())
    add(`optimizer/${i}`, tensor);

  const json = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(`${file}.part`, Buffer.concat([size, json, ...parts]));
  renameSync(`${file}.part`, file);
}

/** Puts weights and optimizer back as they were, and returns the progress. */
export async function loadCheckpoint(file, weights, optimizer) {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...entries } = JSON.parse(bytes.subarray(8, start));
  const tensorOf = (name) => {
    const {
      dtype,
      shape,
      data_offsets: [from, to],
    } = entries[name];
    const data = bytes.buffer.slice(bytes.byteOffset + start + from, bytes.byteOffset + start + to);
    return dtype === 'I32'
      ? tf.tensor(new Int32Array(data), shape, 'int32')
      : tf.tensor(new Float32Array(data), shape);
  };
  for (const [name, variable] of Object.entries(weights)) {
    tf.tidy(() => variable.assign(tensorOf(name)));
  }
  const count = Object.keys(entries).filter((name) => name.startsWith('optimizer/')).length;
  const state = Array.from({ length: count }, (_, i) => ({ tensor: tensorOf(`optimizer/${i}`) }));
  await optimizer.setWeights(state.map(({ tensor }, i) => ({ name: `optimizer/${i}`, tensor })));
  return JSON.parse(__metadata__.progress);
}
