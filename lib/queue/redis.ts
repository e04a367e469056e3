// The way to Redis, and what is said when there is none.

import type { Queue, RedisOptions } from 'bullmq';
import { ctcError, rangeError, show, typeError } from '../errors.js';

/** Which queue. */
export interface QueueOptions {
  /** `redis://` or `rediss://` (TLS). Default: the environment's `REDIS_URL`, else `redis://127.0.0.1:6379`. */
  redis?: string;
  /** The queue's name, for several on one Redis. Default: 'ctc'. */
  queue?: string;
}

/** An open queue: its shards, and its runs, which wait for theirs. */
export interface Queues {
  bullmq: typeof import('bullmq');
  /** Host and port, for messages: without the password. */
  place: string;
  connection: RedisOptions;
  shards: Queue;
  runs: Queue;
  close(): Promise<void>;
}

export const defaultRedis = 'redis://127.0.0.1:6379';

/**
 * Opens a queue once Redis has answered.
 *
 * @param lasting - Whether a lost connection is made again. Otherwise what waits for Redis fails.
 * @param onError - Gets what goes wrong with the connection afterwards.
 * @throws RangeError `ERR_CTC_INVALID_ARG_VALUE`; CtcError `ERR_CTC_QUEUE` where Redis does not answer, or the packages are missing.
 */
export async function openQueues(
  options: QueueOptions,
  lasting: boolean,
  onError: (error: Error) => void = () => {},
): Promise<Queues> {
  const url = checkUrl(options.redis);
  const name = checkName(options.queue);
  const [bullmq, { Redis }] = await loadPackages();
  const place = url.port === '' ? `${url.host}:6379` : url.host;

  let cause: unknown;
  const probe = new Redis(url.href, {
    lazyConnect: true,
    connectTimeout: 5000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  probe.on('error', (error) => {
    cause = error;
  });
  try {
    await probe.connect();
    await probe.ping();
  } catch (error) {
    throw redisError(place, cause ?? error);
  } finally {
    probe.disconnect();
  }

  const connection: RedisOptions = {
    url: url.href,
    maxRetriesPerRequest: null,
    retryStrategy: (times) => (lasting ? Math.min(100 * times, 2000) : null),
  };
  const shards = new bullmq.Queue(name, { connection });
  const runs = new bullmq.Queue(`${name}-runs`, { connection });
  const queues = [shards, runs];
  for (const queue of queues) queue.on('error', onError);
  return {
    bullmq,
    place,
    connection,
    shards,
    runs,
    async close() {
      await Promise.all(queues.map((queue) => queue.close()));
    },
  };
}

/** Opens a queue for one task; what Redis fails it with becomes `ERR_CTC_QUEUE`. */
export async function withQueues<R>(
  options: QueueOptions,
  task: (queues: Queues) => Promise<R>,
): Promise<R> {
  const queues = await openQueues(options, false);
  try {
    return await task(queues);
  } catch (error) {
    throw isOfRedis(error) ? redisError(queues.place, error) : error;
  } finally {
    await queues.close().catch(() => {});
  }
}

/** Whether an error is of ioredis or of its socket, and none of this package's or of its caller's. */
function isOfRedis(error: unknown): boolean {
  if (error instanceof DOMException) return false;
  const { code, name, message } = (error ?? {}) as NodeJS.ErrnoException;
  return (
    /^E[A-Z]+$/.test(String(code)) ||
    ['ReplyError', 'AbortError', 'MaxRetriesPerRequestError'].includes(name ?? '') ||
    /^Connection is closed/.test(message ?? '')
  );
}

/** One line that says what is the matter with Redis, and what helps. */
export function redisError(place: string, error: unknown): Error {
  const [problem, remedy] = problemOf(error);
  return ctcError('ERR_CTC_QUEUE', `Redis at ${place}: ${problem}. ${remedy}`, { cause: error });
}

const where = 'Give its address with --redis or REDIS_URL';

/** What is the matter with Redis, and what helps. */
export function problemOf(error: unknown): [problem: string, remedy: string] {
  const { code: given = '', message = String(error) } = (error ?? {}) as NodeJS.ErrnoException;
  const code = String(given);
  if (code === 'ECONNREFUSED')
    return ['nothing listens there', `Start it (redis-server). ${where}`];
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return ['no such host', where];
  if (/TIMEDOUT|timed?.?out/i.test(code + message)) return ['does not answer', where];
  if (/NOAUTH|WRONGPASS|AUTH/i.test(message)) {
    return [
      'the user or password is missing or wrong',
      'The URL is redis://user:password@host:port',
    ];
  }
  if (/clos(ed|ing)|ECONNRESET|EPIPE/i.test(code + message)) {
    return ['the connection was lost', 'Try again'];
  }
  return [message.split('\n')[0]!, where];
}

function checkUrl(value: unknown = process.env.REDIS_URL || defaultRedis): URL {
  if (typeof value !== 'string') {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `redis must be a URL, not ${show(value)}`);
  }
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const database = url?.pathname.replace(/^\//, '');
  if (url && /^rediss?:$/.test(url.protocol) && url.host !== '' && /^\d*$/.test(database!))
    return url;
  // It may hold a password.
  throw rangeError(
    'ERR_CTC_INVALID_ARG_VALUE',
    'the address of Redis is no URL like redis://host:6379, redis://user:password@host:6379/0 or rediss://host:6379',
  );
}

function checkName(value: unknown = 'ctc'): string {
  if (typeof value === 'string' && /^[\w.-]{1,100}$/.test(value)) return value;
  throw rangeError(
    'ERR_CTC_INVALID_ARG_VALUE',
    `queue is ${show(value)}; a queue's name is made of letters, digits, _, - and .`,
  );
}

async function loadPackages() {
  try {
    return await Promise.all([import('bullmq'), import('ioredis')]);
  } catch (error) {
    throw ctcError(
      'ERR_CTC_QUEUE',
      `a queue needs the packages bullmq and ioredis, which do not load (${(error as Error).message.split('\n')[0]}). Install them: npm install bullmq ioredis`,
      { cause: error },
    );
  }
}
