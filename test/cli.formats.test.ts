// The commands that look at one set of model outputs, on every format that outputs come in.

import assert from 'node:assert/strict';
import { alignAll, planAlignment } from '../lib/cli/alignment.js';
import { decode, makeDecoder } from '../lib/cli/decodeRun.js';
import { evaluate, prepare, readUtterance } from '../lib/cli/evaluate.js';
import { type DataOptions, openData } from '../lib/eval/data.js';
import { ctcLossSync } from '../lib/index.js';
import { readManifest } from '../lib/io/manifest.js';
import { readTokens } from '../lib/io/tokens.js';
import { type NpyParts, npyBytes, Scratch } from './io.helpers.js';
import { runCli } from './support/cli.js';
import {
  bytesOf,
  fixture,
  kaldiBytes,
  safetensorsBytes,
  utterance,
  zipBytes,
} from './support/formats.js';

// The utterances of the fixtures.
const classes = 4;
const count = 5;
const rows = Array.from({ length: count }, (_, u) => utterance(u));
const ids = rows.map((_, u) => `utt${u}`);
const texts = ['c', 'ba', 'cc', 'ab', 'cab'];
const flat = (u: number) => Float32Array.from(rows[u]!.flat());
const shapeOf = (u: number) => [rows[u]!.length, classes];

/** All of them in one array, with NaN where they have no frames. */
function padded(layout: 'TNC' | 'NTC') {
  const frames = rows.at(-1)!.length;
  const data = new Float32Array(frames * count * classes).fill(Number.NaN);
  rows.forEach((own, n) => {
    own.forEach((row, t) => {
      data.set(row, (layout === 'TNC' ? t * count + n : n * frames + t) * classes);
    });
  });
  return { shape: layout === 'TNC' ? [frames, count, classes] : [count, frames, classes], data };
}

function npz(arrays: Record<string, NpyParts>): Buffer {
  const members = Object.entries(arrays);
  return zipBytes(members.map(([name, parts]) => ({ name: `${name}.npy`, data: npyBytes(parts) })));
}

interface Tensor {
  dtype?: string;
  shape: readonly number[];
  data: ArrayBufferView;
}

function safetensors(tensors: Record<string, Tensor>): Buffer {
  let end = 0;
  const header = Object.entries(tensors).map(([name, { dtype = 'F32', shape, data }]) => {
    const begin = end;
    end += data.byteLength;
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  const parts = Object.values(tensors).map(({ data }) => bytesOf(data));
  return safetensorsBytes(Object.fromEntries(header), Buffer.concat(parts));
}

/** A float archive with two compressed matrices: of as many steps as their range, so that they hold integers exactly. */
function kaldiEntries(): Buffer[] {
  return ids.map((id, u) => {
    const values = rows[u]!.flat();
    const [frames] = shapeOf(u) as [number];
    if (u === 1) {
      const words = bytesOf(Uint16Array.from(values));
      return kaldiBytes(id, 'CM2', frames, classes, words, [0, 65535]);
    }
    if (u === 4) {
      const steps = Buffer.from(values.map((value) => value - 400));
      return kaldiBytes(id, 'CM3', frames, classes, steps, [400, 255]);
    }
    return kaldiBytes(id, 'FM', frames, classes, bytesOf(flat(u)));
  });
}

describe('loss, decode, align and explain', () => {
  const scratch = new Scratch();
  const folder = new Scratch();
  after(() => {
    scratch.remove();
    folder.remove();
  });
  const tokens = scratch.write('<blank>\na\nb\nc\n');
  const manifestOf = (line: (u: number) => object, of = ids) =>
    scratch.write(of.map((_, u) => JSON.stringify(line(u))).join('\n'));
  const manifest = manifestOf((u) => ({ id: ids[u], text: texts[u], frames: rows[u]!.length }));
  const unframed = manifestOf((u) => ({ id: ids[u], text: texts[u] }));

  const separate = Object.fromEntries(
    ids.map((id, u) => [id, { shape: shapeOf(u), data: flat(u) }]),
  );
  for (const [id, parts] of Object.entries(separate)) folder.write(npyBytes(parts), `${id}.npy`);
  const batch = padded('TNC');
  const others = { shape: [2, 3, classes], data: new Float32Array(24) };
  const lengths = { shape: [count], data: Int32Array.from(rows, (own) => own.length) };
  const entries = kaldiEntries();
  const ark = scratch.write(Buffer.concat(entries), 'outputs.ark');
  const script = ids.map((id, u) => {
    const before = Buffer.concat(entries.slice(0, u)).length;
    return `${id} outputs.ark:${before + id.length + 1}\n`;
  });
  const tensors = scratch.write(safetensors({ others, logits: batch }), 'several.safetensors');

  /** What each command finds of each utterance. */
  async function findAll(
    path: string,
    { manifest: given = manifest, ...extra }: Partial<DataOptions> & { manifest?: string } = {},
  ) {
    const options = { layout: 'TNC', input: 'logits', ...extra } as const;
    const source = await openData([path], options);
    try {
      const evaluation = prepare(
        { source, path, manifest: await readManifest(given), tokens: await readTokens(tokens) },
        { ...options, warn: assert.fail },
      );
      const found = [];
      for await (const record of evaluate(evaluation)) found.push([record.status, record.loss]);
      const decoder = await makeDecoder(evaluation, { tokens, ...options }, undefined);
      for await (const record of decode(evaluation, decoder)) {
        found.push([record.status, record.paths[0]?.text, record.characters?.errors]);
      }
      for await (const record of alignAll(planAlignment(evaluation, {}))) {
        found.push([record.status, record.score, record.characters?.map(({ start }) => start)]);
      }
      for (let n = 0; n < count; n++) {
        const { data, strides } = await readUtterance(evaluation, n);
        found.push(
          rows[n]!.map((row, t) => row.map((_, c) => data[t * strides[0] + c * strides[2]])),
        );
      }
      return found;
    } finally {
      await source.close();
    }
  }

  let expected: Awaited<ReturnType<typeof findAll>>;
  before(async () => {
    expected = await findAll(scratch.write(npyBytes(batch)));
  });

  it('find in a .npy array what the library says', () => {
    const losses = texts.map((text, u) => {
      const targets = [...text].map((symbol) => ' abc'.indexOf(symbol));
      return ctcLossSync({ data: flat(u), shape: shapeOf(u) }, targets).losses[0]!;
    });
    assert.deepEqual(
      expected.slice(0, count),
      losses.map((loss) => ['ok', loss]),
    );
    assert.deepEqual(
      expected.slice(count, 2 * count),
      texts.map((text) => ['ok', 'c', text.length - (text.includes('c') ? 1 : 0)]),
    );
    assert.deepEqual(expected.slice(3 * count), rows);
  });

  const ones: [name: string, path: () => string, options?: Parameters<typeof findAll>[1]][] = [
    ['a folder of .npy files', () => folder.folder],
    ['an .npz file of an array for each utterance', () => fixture('utterances.npz')],
    ['a deflated one', () => fixture('deflated.npz')],
    ['one without names, in its order', () => fixture('nameless.npz')],
    ['the only array of three axes in an .npz file', () => scratch.write(npz({ a: batch }))],
    [
      'a named one of several',
      () => scratch.write(npz({ a: others, b: padded('NTC') })),
      { array: 'b', layout: 'NTC' },
    ],
    ['a .safetensors file of a tensor for each', () => scratch.write(safetensors(separate))],
    ['a named tensor of several', () => tensors, { array: 'logits' }],
    ['a Kaldi archive with compressed matrices', () => ark],
    ['a Kaldi script', () => scratch.write(script.join(''), 'outputs.scp')],
    ['an HDF5 file', () => fixture('utterances.h5')],
    ['a Parquet file', () => fixture('snappy.parquet')],
    ['an Arrow file', () => fixture('utterances.arrow')],
  ];
  for (const [name, path, options] of ones) {
    it(`find the same in ${name}`, async () => {
      assert.deepEqual(await findAll(path(), options), expected);
    });
  }

  const npy = () => scratch.write(npyBytes(batch));
  const described = {
    shape: batch.shape,
    layout: 'TNC',
    type: 'float32',
    input: 'logits',
    blank: 0,
  };
  const anyFormat: [format: string, path: () => string, array: object, ...options: string[]][] = [
    ['npy', npy, described],
    [
      'npz',
      () => scratch.write(npz({ lengths: { descr: '<i4', ...lengths }, outputs: batch })),
      described,
    ],
    ['safetensors', () => tensors, described, '--array', 'logits'],
    ['parquet', () => fixture('snappy.parquet'), { ...described, shape: null, layout: 'TC' }],
  ];
  const commands: [name: string, ...options: string[]][] = [
    ['loss', manifest],
    ['decode', manifest],
    ['align', manifest],
    ['explain', manifest, '--utterance', 'utt3'],
  ];
  for (const [command, ...rest] of commands) {
    it(`${command} reads .npz, .safetensors and Parquet as it reads .npy`, async () => {
      const runs = anyFormat.map(async ([format, path, described, ...options]) => {
        const file = path();
        const { code, out, err } = await runCli(
          ...[command, file, ...rest, '--tokens', tokens, '--json', ...options],
        );
        const chosen = `${file}: of "lengths", "outputs", "outputs" is read`;
        const warnings = format === 'npz' ? [chosen] : [];
        assert.deepEqual([code, err], [0, warnings.map((each) => `warning: ${each}\n`).join('')]);
        const lines = out
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line));
        if (command === 'explain') return lines;
        const { array, warnings: listed, ...summary } = lines.pop();
        assert.deepEqual(array, { file, format, ...described });
        assert.deepEqual(listed, warnings);
        return [...lines, summary];
      });
      const [fromNpy, ...others] = await Promise.all(runs);
      for (const found of others) assert.deepEqual(found, fromNpy);
    });
  }

  it('need no manifest where they need no texts: ids are those of the data', async () => {
    const decoded = await runCli('decode', fixture('snappy.parquet'), '--tokens', tokens);
    assert.equal(decoded.code, 0, decoded.err);
    assert.match(decoded.out, /^utt0 +3 +-?\d+\.\d+ {2}c$/m);
    assert.match(decoded.out, /^utt4 +7 +-?\d+\.\d+ {2}c$/m);
    const explained = ['explain', ark, '--tokens', tokens, '--text', 'ab'];
    const { code, out } = await runCli(...explained, '--utterance', 'utt4');
    assert.equal(code, 0);
    assert.match(out, /^lattice {2}7 frames x 5 states, 4 classes$/m);
    const unknown = await runCli(...explained, '--utterance', 'utt5');
    assert.equal(unknown.code, 2);
    assert.match(
      unknown.err,
      /there is no utterance 'utt5' \(there are utt0, utt1, utt2, \.\.\.\)/,
    );
  });

  it('decode an id that is there twice once', async () => {
    const twice = scratch.write(Buffer.concat([entries[0]!, entries[2]!, entries[0]!]));
    const { code, out, err } = await runCli('decode', twice, '--tokens', tokens, '--json');
    assert.equal(code, 0);
    assert.match(err, /"utt0" is there twice; the first is used/);
    const found = out
      .trimEnd()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      found.map(({ id, status, frames }) => [id, status, frames]),
      [
        ['utt0', 'ok', 3],
        ['utt2', 'ok', 5],
        ['utt0', 'duplicate-id', null],
      ],
    );
  });

  it('take the frames of each utterance where the manifest does not tell', async () => {
    const found = await findAll(ark, { manifest: unframed });
    assert.deepEqual(found, expected);
  });

  it('take the only matrix of a file for the outputs where it is called so', async () => {
    const one = manifestOf(() => ({ id: 'somebody', text: texts[2] }), ['somebody']);
    const matrix = { shape: shapeOf(2), data: flat(2) };
    const files: [path: string, ...options: string[]][] = [
      [scratch.write(npz({ logits: matrix }))],
      [scratch.write(npz({ arr_0: matrix }))],
      [scratch.write(safetensors({ logits: matrix, lengths: { dtype: 'I32', ...lengths } }))],
      [scratch.write(safetensors({ net_out: matrix })), '--array', 'net_out'],
    ];
    for (const [path, ...options] of files) {
      const { code, out, err } = await runCli(
        ...['loss', path, one, '--tokens', tokens, '--json', ...options],
      );
      assert.equal(code, 0, err);
      const { id, loss } = JSON.parse(out.split('\n')[0]!);
      assert.deepEqual(['ok', loss, id], [...(expected[2] as unknown[]), 'somebody']);
    }
  });

  it('report what has no outputs and what cannot be read, and go on', async () => {
    const given = manifestOf((u) => ({ id: `utt${u}`, text: 'a' }), [...ids, 'utt5']);
    for (const command of ['loss', 'decode', 'align']) {
      const { code, out, err } = await runCli(
        ...[command, fixture('mixed.npz'), given, '--tokens', tokens, '--json'],
      );
      assert.deepEqual([code, err], [3, ''], command);
      const found = out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      const reasons = found.slice(0, -1).map(({ status, reason }) => [status, reason]);
      assert.deepEqual(
        reasons.map(([status]) => status),
        ['ok', ...Array(4).fill('unreadable'), 'no-output'],
      );
      assert.match(
        reasons[1]![1],
        /utt1 has 4 classes of float64; the first utterance has 4 of float32/,
      );
      assert.match(reasons[3]![1], /mixed\.npz: utt3: .*object/);
      assert.match(reasons[4]![1], /utt4 has 3 classes/);
      assert.equal(reasons[5]![1], 'the data has no utterance of this id');
      assert.deepEqual(found.at(-1).statuses, { ok: 1, unreadable: 4, 'no-output': 1 });
    }
    const explain = ['explain', fixture('mixed.npz'), given, '--tokens', tokens, '--utterance'];
    const [unreadable, missing] = [
      await runCli(...explain, 'utt2'),
      await runCli(...explain, 'utt5'),
    ];
    assert.deepEqual([unreadable.code, missing.code], [3, 3]);
    assert.match(unreadable.err, /^error: .*mixed\.npz: utt2: .*big-endian/);
    assert.match(missing.err, /^error: .*mixed\.npz: has no utterance "utt5"$/m);
    const strict = ['loss', ark, given, '--tokens', tokens];
    assert.equal((await runCli(...strict)).code, 0);
    assert.equal((await runCli(...strict, '--strict')).code, 1);
  });

  describe('refuse', () => {
    const ints = { dtype: 'I64', shape: batch.shape, data: new BigInt64Array(batch.data.length) };
    const deep = { shape: [1, ...batch.shape], data: batch.data };
    const torch = () => zipBytes([{ name: 'archive/data.pkl', data: Buffer.from('x') }]);
    const named = (name: string, parts: NpyParts) =>
      scratch.write(npz({ [name]: parts }), `${name}.npz`);
    const refusals: [name: string, path: () => string, options: object, message: RegExp][] = [
      [
        'a name that is none',
        () => tensors,
        { array: 'logit' },
        /several\.safetensors: has no array "logit"\. It has "others", "logits"/,
      ],
      [
        'several arrays of three axes',
        () => tensors,
        {},
        /has 2 arrays of three axes\. Name the one with .* \(--array\); it has "others", "logits"/,
      ],
      ['a name for .npy', npy, { array: 'a' }, /--array does not go with .* \(npy\).*leave it out/],
      ['a name for Kaldi', () => ark, { array: 'a' }, /--array does not go with .* \(kaldi\)/],
      [
        'a column for .npz',
        () => fixture('batch.npz'),
        { idColumn: 'id' },
        /--id-column does not go with .* \(npz\), which has no columns/,
      ],
      [
        'a column that is none',
        () => fixture('snappy.parquet'),
        { array: 'outputs' },
        /snappy\.parquet: has no column "outputs"\. It has /,
      ],
      [
        'integers in .safetensors',
        () => scratch.write(safetensors({ ints })),
        { array: 'ints' },
        /: ints: holds "I64" elements; readable are F32, F64, F16 and BF16\. Save it as floats/,
      ],
      [
        'integers in .npz',
        () => named('ints', { descr: '<i8', shape: batch.shape, data: ints.data }),
        { array: 'ints' },
        /: ints: holds "<i8" elements.*Convert it in Python: a = numpy\.load\(.*\)\["ints"\]/,
      ],
      ['four axes', () => named('a', deep), { array: 'a' }, /has the shape \(1, 7, 5, 4\)/],
      [
        'one utterance for five rows',
        () => named('logits', { shape: [7, classes], data: flat(4) }),
        {},
        /has 5 rows and .* holds 1 utterance \(7 x 4, read as T x C\)/,
      ],
      [
        'names that are nobody in the manifest',
        () => named('net_out', { shape: [7, classes], data: flat(4) }),
        {},
        /has no id that is in .*: its first is "utt0", and there it is "net_out"\. .*\(--array\)/,
      ],
      [
        'the ids of other data',
        () => scratch.write(kaldiBytes('x1', 'FM', 7, classes, bytesOf(flat(4)))),
        {},
        /its first is "utt0", and there it is "x1"\. Give the ids of the data$/,
      ],
      [
        "a PyTorch file, with its converter's line",
        () => scratch.write(torch(), 'outputs.pt'),
        {},
        /outputs\.pt: is a PyTorch file.* python3 -c 'import numpy, torch; numpy\.save/,
      ],
      [
        "a pickle, with its converter's line",
        () => scratch.write(Buffer.from([0x80, 4, 0x95]), 'outputs.pkl'),
        {},
        /outputs\.pkl: is a Python pickle.* python3 -c 'import numpy, pickle; numpy\.save/,
      ],
    ];
    for (const [name, path, options, message] of refusals) {
      it(name, async () => {
        await assert.rejects(findAll(path(), options), ({ message: text }: Error) => {
          assert.match(text, message);
          return true;
        });
      });
    }
  });
});
