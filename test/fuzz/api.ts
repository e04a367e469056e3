// The public API under a fuzzer: good calls with up to three strange values in them, while buffers are taken
// away and signals abort. A call ends in a result, or in an error of this package with its code.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { detached } from '../support/badCalls/row.js';
import { CallersError, type Place, strange } from './strange.js';
import { type Verb, verbs } from './verbs.js';

/** What happens while an asynchronous call runs. */
const events = ['nothing', 'detach', 'write', 'abort'] as const;

interface Plan {
  verb: number;
  /** Where, counted through the places of the call; what, counted through the strange values. */
  changes: [place: number, which: number][];
  event: (typeof events)[number];
}

const plans: fc.Arbitrary<Plan> = fc.record({
  verb: fc.nat(verbs.length - 1),
  changes: fc.array(fc.tuple(fc.nat(999), fc.nat(strange.length - 1)), { maxLength: 3 }),
  event: fc.constantFrom(...events),
});

/** Argument numbers and, below them, keys. */
function placesOf(verb: Verb, args: readonly unknown[]): [argument: number, key?: string][] {
  const places = args.flatMap((argument, i): [number, string?][] =>
    i >= (verb.whole ?? 0) &&
    typeof argument === 'object' &&
    argument !== null &&
    !ArrayBuffer.isView(argument)
      ? [[i], ...Object.keys(argument).map((key): [number, string] => [i, key])]
      : [[i]],
  );
  // One too many, and those that tell types and steps of an input.
  places.push([args.length]);
  if ((args[0] as { data?: unknown } | undefined)?.data !== undefined) {
    for (const key of ['type', 'strides', 'dims']) places.push([0, key]);
  }
  for (const key of verb.options ?? []) places.push([args.length - 1, key]);
  return places;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** The arguments of a plan, and the call's numbers. */
function argumentsOf({ verb: number, changes }: Plan) {
  const verb = verbs[number] as Verb;
  const args = verb.good();
  const places = placesOf(verb, args);
  const data = (args[0] as { data?: Float32Array<ArrayBuffer> } | undefined)?.data;
  for (const [at, which] of changes) {
    const [argument, key] = places[at % places.length] as [number, string?];
    const make = strange[which] as (place: Place) => unknown;
    const holder = args[argument];
    if (key === undefined || !isObject(holder)) args[argument] = make({ good: holder, data });
    else assign(args, argument, holder, key, make);
  }
  return { verb, args, data };

  function assign(
    args: unknown[],
    argument: number,
    holder: Record<string, unknown>,
    key: string,
    make: (place: Place) => unknown,
  ): void {
    let copy: Record<string, unknown> | unknown[];
    try {
      // An enormous one has no places worth changing.
      if (Array.isArray(holder) && holder.length > 1000) return;
      copy = Array.isArray(holder) ? [...holder] : { ...holder };
      const value = make({ good: holder[key], data });
      (copy as Record<string, unknown>)[key] = value;
    } catch {
      // What is there throws already: strange enough.
      return;
    }
    args[argument] = copy;
  }
}

/** Whether `error` is the reason of an aborted signal among the arguments. */
function isReason(error: unknown, args: readonly unknown[]): boolean {
  return args.some((argument) => {
    try {
      const { signal } = argument as { signal?: AbortSignal };
      return signal?.aborted === true && error === signal.reason;
    } catch {
      return false;
    }
  });
}

/** Throws unless `error` is one that a caller may get. */
function assertTyped(error: unknown, args: readonly unknown[]): void {
  if (error instanceof CallersError || isReason(error, args)) return;
  assert.ok(error instanceof Error, String(error));
  // Nothing can be asked of a proxy that was taken back, not even whether it is an array; and the iterator of
  // a proxy of a typed array is the caller's, and throws.
  if (
    /proxy that has been revoked|on proxy: property|this is not a typed array/.test(error.message)
  )
    return;
  assert.match(String((error as { code?: string }).code), /^ERR_CTC_/, error.stack);
  assert.ok(['TypeError', 'RangeError', 'CtcError'].includes(error.name), error.name);
  assert.doesNotMatch(error.message, /undefined is|cannot read|\n/i, error.message);
  // A path that is given is named whole.
  assert.ok(error.message.length < 12_000, error.message);
}

async function run(plan: Plan): Promise<void> {
  const { verb, args, data } = argumentsOf(plan);
  const abort = new AbortController();
  if (plan.event === 'abort' && verb.options?.includes('signal') && isObject(args.at(-1))) {
    try {
      args[args.length - 1] = { ...(args.at(-1) as object), signal: abort.signal };
    } catch {
      // A proxy that throws.
    }
  }
  try {
    const answer = verb.run(args);
    if (!(answer instanceof Promise)) return;
    if (plan.event === 'write' && data !== undefined && data.byteLength > 0) data.fill(Number.NaN);
    if (plan.event === 'abort') abort.abort();
    try {
      // Under the caller's promise to leave it alone, nobody may.
      const borrowed = (args.at(-1) as { buffers?: unknown } | undefined)?.buffers === 'borrow';
      if (plan.event === 'detach' && data !== undefined && data.byteLength > 0 && !borrowed) {
        detached(data);
      }
    } catch {
      // Shared, or asked of what throws.
    }
    await answer;
  } catch (error) {
    assertTyped(error, args);
  }
}

function describe(plan: Plan): string {
  const { verb, args } = {
    verb: verbs[plan.verb] as Verb,
    args: (verbs[plan.verb] as Verb).good(),
  };
  const places = placesOf(verb, args);
  const changes = plan.changes.map(([at, which]) => {
    const [argument, key] = places[at % places.length] as [number, string?];
    const made = String(strange[which]).replace(/\s+/g, ' ').slice(0, 100);
    return `argument ${argument}${key === undefined ? '' : `.${key}`}: strange[${which}] ${made}`;
  });
  return `${verb.name}, ${plan.event}; ${changes.join('; ')}`;
}

/**
 * Makes `calls` calls. Throws at the first that ends otherwise than it may, with the smallest one like it and
 * how to repeat it. `before` is told of each call, for the case that it ends the process.
 */
export async function fuzzApi(
  calls: number,
  seed: number,
  before: (call: string) => void = () => {},
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      before(describe(plan));
      await run(plan);
    }),
    {
      numRuns: calls,
      seed,
      reporter: ({ failed, counterexample, errorInstance, counterexamplePath }) => {
        if (!failed) return;
        const [plan] = counterexample as [Plan];
        const message = `${describe(plan)} (seed ${seed}, path ${counterexamplePath})`;
        throw new Error(message, { cause: errorInstance });
      },
    },
  );
}
