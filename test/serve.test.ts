// examples/serve as its clients see it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import type { Context } from 'mocha';
import sharp from 'sharp';
import { crc32 } from './support/crc32.js';
import { needOnnxruntime } from './support/onnxruntime.js';
import { trueTimes } from './support/real.js';
import { folder, type Line, lines, type Reply, Service, send } from './support/service.js';

const line = lines[0]!;

function assertRead({ status, body }: Reply, { id, read }: Pick<Line, 'id' | 'read'>): void {
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.text, read, id);
}

function assertError({ status, body }: Reply, wanted: number, code: string, message: RegExp): void {
  assert.deepEqual([status, body.error?.code], [wanted, code], JSON.stringify(body));
  assert.match(body.error!.message, message);
}

/** Windows ends a process at once that is sent SIGTERM by another. */
function onlyWithSignals(this: Context): void {
  if (process.platform === 'win32') this.skip();
}

function chunk(type: string, content: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(content.length, 0);
  numbers.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([numbers.subarray(0, 4), body, numbers.subarray(4)]);
}

/** A PNG file of its parts; `data` is compressed as it is, filter bytes included. */
function png(width: number, height: number, data: Uint8Array, colour = 0): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, colour], 8);
  const parts = [
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(data)),
    chunk('IEND', Buffer.of()),
  ];
  return Buffer.concat([line.png.subarray(0, 8), ...parts]);
}

describe('examples/serve', function () {
  this.timeout(120_000);
  before(function () {
    needOnnxruntime(this);
  });

  describe('one after the other', () => {
    let service: Service;
    before(async () => {
      service = await Service.start();
    });
    after(() => service.stop());
    // Whatever it was sent, it goes on.
    afterEach(async () => assertRead(await service.read(line), line));

    it('reads every line, alone and all at once', async () => {
      for (const each of lines) assertRead(await service.read(each), each);
      const together = await Promise.all(lines.map((each) => service.read(each)));
      together.forEach((reply, n) => {
        assertRead(reply, lines[n]!);
      });
    });

    it('tells where the characters are', async () => {
      const times = new Map(trueTimes().ocr.map(({ id, spans }) => [id, spans]));
      for (const each of lines.filter(({ text, read }) => text === read)) {
        const { body } = await service.read(each);
        assert.equal(body.characters.map(({ text }) => text).join(''), each.read);
        const { width } = await sharp(each.png).metadata();
        times.get(each.id)!.forEach(([start, end], i) => {
          const found = body.characters[i]!;
          const middle = (found.start + found.end) / 2;
          const place = `${each.id}, character ${i}: ${middle}, truly ${4 * start} to ${4 * end}`;
          // Inside the character's box, widened by a frame.
          assert.ok(middle > 4 * (start - 1) && middle < 4 * (end + 1), place);
          assert.ok(found.start < found.end && found.end <= width, place);
          assert.ok(found.confidence > 0 && found.confidence <= 1, place);
        });
      }
    });

    it('gives the best readings, with the probability of each', async () => {
      const { body } = await service.read(line, '?paths=5');
      const { text, confidence, characters, paths } = body;
      assert.equal(new Set(paths.map((path) => path.text)).size, 5);
      assert.deepEqual(paths[0], { text, confidence, characters });
      const probabilities = paths.map((path) => path.confidence);
      assert.deepEqual(
        probabilities,
        [...probabilities].sort((a, b) => b - a),
      );
      const sum = probabilities.reduce((total, p) => total + p);
      assert.ok(sum > 0.9 && sum <= 1, String(sum));
      // What it reads it also finds when it is told: exp(-loss) is the text's probability, of which the beam
      // loses a little.
      const told = await service.read(line, `?transcript=${encodeURIComponent(text)}`);
      const { loss } = told.body.transcript!;
      const kept = confidence / Math.exp(-loss!);
      assert.ok(kept > 0.99 && kept < 1 + 1e-5, String(kept));
    });

    it('gives the loss of a transcript, and where its characters would be', async () => {
      for (const each of lines) {
        const { body } = await service.read(each, `?transcript=${encodeURIComponent(each.text)}`);
        const { status, loss, characters } = body.transcript!;
        assert.equal(status, 'ok');
        assert.ok(Math.abs(loss! - each.loss) < 1e-5 + 1e-3 * each.loss, `${each.id}: ${loss}`);
        assert.equal(characters.map(({ text }) => text).join(''), each.text);
        assert.equal(body.text, each.read);
      }
      const wrong = await service.read(line, '?transcript=something%20else');
      assert.ok(wrong.body.transcript!.loss! > 50);
      const empty = await service.read(line, '?transcript=');
      assert.deepEqual(empty.body.transcript!.characters, []);
      const long = await service.read(line, `?transcript=${'ab'.repeat(100)}`);
      assert.deepEqual(long.body.transcript, { status: 'infeasible', loss: null, characters: [] });
    });

    it('gives it in a batch with lines that have no transcript', async () => {
      const replies = await Promise.all(
        lines.map((each, n) => {
          const query = n % 2 === 0 ? '' : `?transcript=${encodeURIComponent(each.text)}`;
          return service.read(each, query);
        }),
      );
      replies.forEach(({ body }, n) => {
        assert.equal(body.transcript !== undefined, n % 2 === 1);
        if (body.transcript) {
          const { loss } = lines[n]!;
          assert.ok(Math.abs(body.transcript.loss! - loss) < 0.01 + 0.05 * loss);
        }
      });
    });

    it('reads any kind of PNG, in any size', async () => {
      const { width } = await sharp(line.png).metadata();
      const grey = await sharp(line.png).greyscale().raw().toBuffer();
      const ink = Buffer.from(grey.map((value) => 255 - value));
      const black = { create: { width, height: 32, channels: 3, background: '#000' } } as const;
      const kinds = {
        colour: sharp(line.png).toColourspace('srgb').png(),
        interlaced: sharp(line.png).png({ progressive: true }),
        palette: sharp(line.png).toColourspace('srgb').png({ palette: true, colours: 64 }),
        '16 bits': sharp(line.png).toColourspace('grey16').png(),
        transparent: sharp(black)
          .joinChannel(ink, { raw: { width, height: 32, channels: 1 } })
          .png(),
        large: sharp(line.png).resize({ height: 96 }).png(),
        dark: sharp(line.png).linear(0.6, 10).png(),
      };
      for (const [id, kind] of Object.entries(kinds)) {
        assertRead(await service.read({ png: await kind.toBuffer() }), { id, read: line.read });
      }
      const large = await service.read({ png: await kinds.large.toBuffer() });
      const small = await service.read(line);
      large.body.characters.forEach(({ start }, i) => {
        assert.ok(Math.abs(start / 3 - small.body.characters[i]!.start) <= 4);
      });
    });

    it('reads nothing, where there is nothing', async () => {
      for (const [width, height] of [
        [1, 1],
        [1, 32],
        [3, 200],
        [1024, 32],
      ] as const) {
        const blank = png(width, height, new Uint8Array((width + 1) * height));
        const { status, body } = await service.read({ png: blank }, '?transcript=');
        assert.deepEqual([status, body.text, body.transcript!.status], [200, '', 'ok']);
      }
    });
    it('refuses what is no PNG', async () => {
      const jpeg = await sharp(line.png).jpeg().toBuffer();
      for (const body of [
        jpeg,
        Buffer.from('%PDF-1.4'),
        Buffer.alloc(0),
        line.png.subarray(0, 20),
      ]) {
        assertError(await send(service.url, { body }).reply, 415, 'NOT_A_PNG', /not a PNG/);
      }
      const typed = { body: line.png, type: 'application/octet-stream' };
      assertError(await send(service.url, typed).reply, 415, 'NOT_A_PNG', /image\/png/);
      assertError(await send(service.url, {}).reply, 415, 'NOT_A_PNG', /PNG/);
    });

    it('refuses broken files', async () => {
      const broken = (change: (file: Buffer) => Buffer) => change(Buffer.from(line.png));
      const files = {
        truncated: broken((file) => file.subarray(0, file.length >> 1)),
        'only a header': broken((file) => file.subarray(0, 33)),
        'a wrong checksum': broken((file) => {
          file[100]! ^= 1;
          return file;
        }),
        'no pixels': png(0, 0, new Uint8Array(1)),
        'no rows': png(100, 0, new Uint8Array(1)),
        'too few rows': png(100, 32, new Uint8Array(101)),
        'a colour type that there is not': png(100, 32, new Uint8Array(101 * 32), 5),
      };
      for (const [name, body] of Object.entries(files)) {
        const { status, body: answer } = await send(service.url, { body }).reply;
        assert.ok(status === 400 || status === 413, `${name}: ${status}`);
        assert.ok(['BROKEN_IMAGE', 'IMAGE_TOO_LARGE'].includes(answer.error!.code), name);
      }
    });

    it('refuses images that are too large, without decoding them', async () => {
      const rows = new Uint8Array(2 ** 24); // compresses to 16 KB
      for (const [width, height] of [
        [30_000, 30_000],
        [2 ** 31 - 1, 2 ** 31 - 1],
        [2000, 32],
      ]) {
        const { reply } = send(service.url, { body: png(width!, height!, rows) });
        assertError(await reply, 413, 'IMAGE_TOO_LARGE', new RegExp(`${width} x ${height}`));
      }
    });

    it('does not unpack what a file says is small', async () => {
      const much = Buffer.alloc(2 ** 27, 65); // compresses to 130 KB
      const packed = deflateSync(much);
      // A chunk after the header: a colour profile, a comment.
      const withChunk = (type: string, start: string) => {
        const content = Buffer.concat([Buffer.from(start, 'latin1'), packed]);
        const { png: file } = line;
        return Buffer.concat([file.subarray(0, 33), chunk(type, content), file.subarray(33)]);
      };
      const before = (await service.metrics()).get('process_resident_memory_bytes')!;
      for (const body of [
        png(100, 32, much), // more rows than the header admits to
        withChunk('iCCP', 'p\0\0'),
        withChunk('zTXt', 'k\0\0'),
      ]) {
        const { status } = await send(service.url, { body }).reply;
        assert.ok(status === 200 || status === 400, String(status));
        const after = (await service.metrics()).get('process_resident_memory_bytes')!;
        assert.ok(after - before < much.length / 2, `${after - before} bytes`);
      }
    });

    it('refuses bodies that are too large', async () => {
      const body = Buffer.concat([line.png, Buffer.alloc(2 ** 18)]);
      assertError(await send(service.url, { body }).reply, 413, 'BODY_TOO_LARGE', /larger/);
    });

    it('refuses queries that it does not understand', async () => {
      for (const [query, code, message] of [
        ['paths=0', 'BAD_QUERY', /paths must be >= 1/],
        ['paths=11', 'BAD_QUERY', /paths must be <= 10/],
        ['paths=many', 'BAD_QUERY', /paths must be integer/],
        ['path=2', 'BAD_QUERY', /must NOT have additional properties/],
        [`transcript=${'a'.repeat(257)}`, 'BAD_QUERY', /256/],
        ['transcript=a&transcript=b', 'BAD_QUERY', /transcript must be string/],
        ['transcript=na%C3%AFve', 'UNKNOWN_CHARACTER', /character 2 .* "ï"/],
      ] as const) {
        assertError(await service.read(line, `?${query}`), 400, code, message);
      }
    });

    it('refuses paths that are not there', async () => {
      assertError(await send(service.url, { path: '/' }).reply, 404, 'NOT_FOUND', /POST \/read/);
    });
  });

  // A batch is only started when it is full, so that requests wait as long as a test needs them to.
  describe('in batches of four, with room for four', () => {
    let service: Service;
    let earlier: Map<string, number>;
    before(async () => {
      service = await Service.start('--batch', '4', '--wait', '60000', '--capacity', '4');
    });
    after(() => service.stop());
    beforeEach(async () => {
      await service.until('ocr_requests_in_house', 0);
      earlier = await service.metrics();
    });

    /** How much a metric has grown in this test. */
    async function grown(name: string): Promise<number> {
      return ((await service.metrics()).get(name) ?? 0) - (earlier.get(name) ?? 0);
    }

    const readAll = (some: Line[]) => some.map((each) => service.read(each));

    async function assertAllRead(replies: Promise<Reply>[], some: Line[]): Promise<void> {
      (await Promise.all(replies)).forEach((reply, n) => {
        assertRead(reply, some[n]!);
      });
    }

    it('puts requests that wait into one batch', async () => {
      const four = lines.slice(0, 4);
      await assertAllRead(readAll(four), four);
      await service.until('ocr_requests_in_house', 0);
      assert.equal(await grown('ocr_batch_size_count'), 1);
      assert.equal(await grown('ocr_batch_size_sum'), 4);
      assert.equal(await grown('ocr_requests_total{status="200"}'), 4);
      assert.equal(await grown('ocr_request_seconds_count'), 4);
      assert.ok((await service.metrics()).get('nodejs_eventloop_lag_p99_seconds')! > 0);
    });

    it('refuses more than it can hold, says when to retry, and answers what it has', async () => {
      const four = lines.slice(0, 4);
      const waiting = readAll(four.slice(0, 3));
      await service.until('ocr_queue_length', 3);
      // One that is refused for its content gives its place back.
      assert.equal((await service.read({ png: Buffer.alloc(100) })).status, 415);
      await service.until('ocr_requests_in_house', 3);
      // The fourth counts from its head on.
      const { png: body } = four[3]!;
      const slow = send(service.url, { body, first: 100 });
      await service.until('ocr_requests_in_house', 4);
      for (const each of lines.slice(4, 10)) {
        const reply = await service.read(each);
        assertError(reply, 503, 'OVERLOADED', /4 requests/);
        assert.equal(reply.headers['retry-after'], '1');
      }
      assert.equal((await fetch(`${service.url}/healthz`)).status, 200);
      slow.sent.end(body.subarray(100));
      await assertAllRead([...waiting, slow.reply], four);
      await service.until('ocr_requests_in_house', 0);
      assert.equal(await grown('ocr_requests_total{status="200"}'), 4);
      assert.equal(await grown('ocr_requests_total{status="503"}'), 6);
    });

    it('drops what waits when its client goes away', async () => {
      const { sent, reply } = send(service.url, { body: line.png });
      await service.until('ocr_queue_length', 1);
      sent.destroy();
      await assert.rejects(reply, { code: 'ECONNRESET' });
      await service.until('ocr_requests_in_house', 0);
      assert.equal((await service.metrics()).get('ocr_queue_length'), 0);
      // Four others make a full batch, of which the first is no part.
      const others = lines.slice(1, 5);
      await assertAllRead(readAll(others), others);
      assert.equal(await grown('ocr_batch_size_sum'), 4);
      assert.equal(await grown('ocr_requests_total{status="aborted"}'), 1);
    });

    it('forgets a client that goes away in the middle of its body', async () => {
      const { sent, reply } = send(service.url, { body: line.png, first: 100 });
      await service.until('ocr_requests_in_house', 1);
      sent.destroy();
      await assert.rejects(reply, { code: 'ECONNRESET' });
      await service.until('ocr_requests_in_house', 0);
      assert.equal(await grown('ocr_requests_total{status="aborted"}'), 1);
    });
  });

  describe('on SIGTERM', () => {
    let service: Service;
    before(onlyWithSignals);
    afterEach(() => service?.stop());

    it('is not ready at once, answers what it has and what still comes, and ends', async () => {
      service = await Service.start('--batch', '4', '--wait', '60000', '--drain', '2000');
      assert.equal((await fetch(`${service.url}/readyz`)).status, 200);
      const waiting = lines.slice(0, 3).map((each) => service.read(each));
      await service.until('ocr_queue_length', 3);
      service.kill('SIGTERM');
      let ready = 200;
      while (ready === 200) ready = (await fetch(`${service.url}/readyz`)).status;
      assert.equal(ready, 503);
      assert.equal((await fetch(`${service.url}/healthz`)).status, 200);
      const replies = await Promise.all([...waiting, service.read(lines[3]!)]);
      replies.forEach((reply, n) => {
        assertRead(reply, lines[n]!);
        assert.equal(reply.headers.connection, 'close');
      });
      assert.deepEqual(await service.ended, [0, null]);
    });

    it('answers what it has without any drain time, too', async () => {
      service = await Service.start('--batch', '64', '--wait', '1500', '--drain', '0');
      const waiting = lines.slice(0, 5).map((each) => service.read(each));
      await service.until('ocr_queue_length', 5);
      service.kill('SIGTERM');
      const replies = await Promise.all(waiting);
      replies.forEach((reply, n) => {
        assertRead(reply, lines[n]!);
      });
      assert.deepEqual(await service.ended, [0, null]);
    });
  });

  it('refuses options that it does not know', async () => {
    for (const [args, message] of [
      [['--batch', '0'], /--batch is 0; it must be an integer from 1 to 64/],
      [['--bach', '8'], /--bach/],
    ] as const) {
      const child = spawn(process.execPath, [join(folder, 'main.mjs'), ...args]);
      let said = '';
      child.stderr.on('data', (chunk) => {
        said += chunk;
      });
      assert.deepEqual(await once(child, 'close'), [2, null]);
      assert.match(said, message);
    }
  });

  it('load.mjs: at saturation no request is lost or answered wrongly', async function () {
    onlyWithSignals.call(this);
    const args = [join(folder, 'load.mjs'), '--seconds', '3', '--correctness-only'];
    const child = spawn(process.execPath, args);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        said += chunk;
      });
    }
    assert.deepEqual(await once(child, 'close'), [0, null], said);
    assert.match(said, /^answered and right +[1-9]/m);
    assert.match(said, /^refused, to retry +[1-9]/m);
    assert.match(said, /^SIGTERM +[1-9]\d* requests in flight, .*; exit code 0$/m);
    assert.match(said, /^wrong +0\nlost +0$/m);
  });
});
