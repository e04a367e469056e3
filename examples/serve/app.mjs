// The HTTP side: what is accepted, what is refused, and when.

import Fastify from 'fastify';
import { labelsOf } from './alphabet.mjs';
import { answerError, ServeError } from './errors.mjs';
import { readLine } from './image.mjs';
import { createMetrics } from './metrics.mjs';
import { BatchQueue } from './queue.mjs';

/** Bytes of a body. */
const BODY_LIMIT = 2 ** 18;

const QUERY = {
  type: 'object',
  additionalProperties: false,
  properties: {
    paths: { type: 'integer', minimum: 1, maximum: 10, default: 1 },
    transcript: { type: 'string', maxLength: 256 },
  },
};

/**
 * @param pool - Reads batches.
 * @param options - `batch`, `wait`: of BatchQueue; `capacity`: requests in the house, whether they arrive, wait
 * or run; `logger`: Fastify's.
 * @returns the app, not listening yet. `app.retire()` makes it say that it is not ready, and end its connections
 * with their next answer.
 */
export function createApp(pool, { batch, wait, capacity, logger }) {
  const app = Fastify({
    logger,
    bodyLimit: BODY_LIMIT,
    requestTimeout: 10_000,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // what still comes in is answered like anything else
    ajv: { customOptions: { removeAdditional: false } },
  });
  let inHouse = 0;
  let ready = true;
  const queue = new BatchQueue(pool, {
    size: batch,
    wait,
    onBatch: (size) => metrics.batchSize.observe(size),
  });
  const metrics = createMetrics({ queueLength: () => queue.length, inHouse: () => inHouse });

  app.setErrorHandler(answerError);
  app.setNotFoundHandler(() => {
    throw new ServeError(
      404,
      'NOT_FOUND',
      'there are POST /read, GET /healthz, /readyz and /metrics',
    );
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('image/png', { parseAs: 'buffer' }, async (_request, body) => body);
  app.addHook('onSend', async (_request, reply) => {
    if (!ready) reply.header('connection', 'close');
  });

  // Takes the request on or refuses it, before its body is read. Fastify's own `request.signal` is of no use here: it
  // watches the request's stream, which has closed once the body has been read.
  app.decorateRequest('gone', null);
  async function admit(request, reply) {
    const started = performance.now();
    const refused = inHouse >= capacity;
    const gone = new AbortController();
    if (!refused) inHouse += 1;
    reply.raw.once('close', () => {
      if (!refused) inHouse -= 1;
      const answered = reply.raw.writableFinished;
      const status = answered ? reply.raw.statusCode : 'aborted';
      metrics.requests.inc({ status });
      if (status === 200) metrics.seconds.observe((performance.now() - started) / 1000);
      if (!answered) gone.abort();
    });
    request.gone = gone.signal;
    if (!refused) return;
    throw new ServeError(503, 'OVERLOADED', `${capacity} requests are at work already`, {
      'retry-after': '1',
    });
  }

  app.post('/read', { schema: { querystring: QUERY }, onRequest: admit }, async (request) => {
    const { paths, transcript } = request.query;
    const labels = transcript === undefined ? undefined : labelsOf(transcript);
    const line = await readLine(request.body);
    return queue.add({ ...line, paths, labels }, request.gone);
  });

  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async () => {
    if (!ready) throw new ServeError(503, 'STOPPING', 'the service is about to stop');
    return { status: 'ready' };
  });
  app.get('/metrics', async (_request, reply) => {
    reply.type(metrics.register.contentType);
    return metrics.register.metrics();
  });

  app.decorate('retire', () => {
    ready = false;
  });
  return app;
}
