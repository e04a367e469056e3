import { inputForJob, plainView } from './buffers.js';
import type { DeviceHandle } from './deviceNative.js';
import { rangeError } from './errors.js';
import { runJob, withInput } from './job.js';
import { Code, type LossPlan, native, nativeError, outOfMemory, packPlan } from './native.js';
import {
  BUFFERS,
  type Buffers,
  checkOptions,
  choice,
  type Device,
  INPUT_KINDS,
  type InputKind,
  type IntegerArray,
  integer,
  LAYOUTS,
  type Layout,
  type RawOptions,
  resolveBlank,
  resolveSignal,
} from './options.js';
import { checkBuffers, type Place, resolvePlace } from './place.js';
import { resolveTargets } from './targets.js';
import { resolveTensor, type TensorData } from './tensor.js';
import { resolveInputLengths } from './validate.js';

/** Options of every synchronous call that takes model outputs and targets. */
export interface BatchSyncOptions {
  /** Frames of each utterance, N integers from 0 to T. Default: T for all. */
  readonly inputLengths?: IntegerArray | number;
  /** Labels of each utterance, N integers. Needed unless targets are one array for each utterance. */
  readonly targetLengths?: IntegerArray | number;
  /** Class of the blank; -1 is the last one. Default: 0. */
  readonly blank?: number;
  /** `'logits'` (default): scores before softmax. `'logProbs'`: natural-log probabilities. */
  readonly input?: InputKind;
  /** Order of the input's dimensions: `'TNC'` (default) or `'NTC'`. */
  readonly layout?: Layout;
  /** Where the work is done. Default: `'cpu'`, or where the input is, if it is a DeviceTensor. */
  readonly device?: Device;
  /** Threads that may work on this call, from 1. Default: all cores. Never changes a result. */
  readonly threads?: number;
}

/** Options of every asynchronous call that takes model outputs and targets. */
export interface BatchOptions extends BatchSyncOptions {
  /** Stops the call; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** How the input's memory is read while JavaScript goes on running. Default: `'auto'`. */
  readonly buffers?: Buffers;
}

/** A checked call with private copies of its numbers. */
export interface BatchCall {
  readonly plan: LossPlan;
  readonly labels: Int32Array;
  readonly place: Place;
  /** As given, for the options that only one function has. */
  readonly options: RawOptions;
  readonly signal: AbortSignal | undefined;
  readonly buffers: Buffers;
}

const SYNC_KEYS = [
  'inputLengths',
  'targetLengths',
  'blank',
  'input',
  'layout',
  'device',
  'threads',
] as const satisfies readonly (keyof BatchSyncOptions)[];
const ASYNC_KEYS = ['signal', 'buffers'] as const;

/** All keys, those of one function included. */
export function optionKeys(own: readonly string[]): ReadonlySet<string> {
  return new Set([...SYNC_KEYS, ...ASYNC_KEYS, ...own]);
}

/** Which function checks its arguments. */
export interface BatchFunction {
  readonly name: string;
  readonly keys: ReadonlySet<string>;
  readonly synchronous: boolean;
  /** Labels beyond the classes that targets may hold, from the raw options. */
  readonly extraLabels?: (options: RawOptions) => number;
}

/** Checks all arguments of a call, before anything native runs. */
export function prepareBatch(
  input: unknown,
  targets: unknown,
  given: unknown,
  of: BatchFunction,
): BatchCall {
  const options = checkOptions(given, of.keys);
  if (of.synchronous) {
    for (const key of ASYNC_KEYS) {
      if (options[key] === undefined) continue;
      throw rangeError(
        'ERR_CTC_INVALID_ARG_VALUE',
        `${key} is an option of ${of.name}: ${of.name}Sync returns before anything else can happen`,
      );
    }
  }
  const place = resolvePlace(options.device, input);
  const buffers = choice(options.buffers, 'buffers', BUFFERS, 'auto');
  checkBuffers(place, buffers);
  const kind = choice(options.input, 'input', INPUT_KINDS, 'logits');
  const layout = choice(options.layout, 'layout', LAYOUTS, 'TNC');
  const tensor = place.input?.tensor(layout) ?? resolveTensor(input, layout);
  const blank = resolveBlank(options.blank, tensor.classes);
  const { labels, offsets } = resolveTargets(
    targets,
    options.targetLengths,
    { ...tensor, classes: tensor.classes + (of.extraLabels?.(options) ?? 0) },
    blank,
  );
  const plan = {
    tensor,
    inputLengths: resolveInputLengths(options.inputLengths, tensor),
    offsets,
    scales: undefined,
    blank,
    logProbs: kind === 'logProbs',
    softmaxGradient: false,
    threads: integer(options.threads, 'threads', 1, 1024, 0),
    device: place.device,
  };
  return {
    plan,
    labels,
    place,
    options,
    signal: resolveSignal(options.signal),
    buffers,
  };
}

/** A native function with its outputs bound: packed plan, labels, input. */
export type NativeCall<R> = (
  plan: Float64Array,
  labels: Int32Array,
  input: ArrayBufferView | DeviceHandle,
) => R;

/** Runs a call now. */
export function runNow(call: BatchCall, run: NativeCall<number>): void {
  native();
  const source = call.place.input?.handle ?? plainView(call.plan.tensor.data);
  const code = run(packPlan(call.plan), call.labels, source);
  if (code !== Code.ok) throw nativeError(code);
}

/**
 * Runs a call off the JavaScript thread. Resolves to the input's data when it was taken over
 * (`buffers: 'transfer'`) and is the caller's again.
 */
export async function runLater(
  call: BatchCall,
  run: NativeCall<Promise<number>>,
): Promise<TensorData | undefined> {
  const { signal } = call;
  if (signal?.aborted) throw signal.reason;
  native();
  const from = inputForJob(call.plan.tensor, call.buffers, undefined);
  try {
    const code = await runJob((job) => {
      const memory = { copyInput: from.copy, privateGradient: false, job };
      return run(packPlan(call.plan, memory), call.labels, call.place.input?.handle ?? from.data);
    }, signal);
    if (signal?.aborted) throw signal.reason;
    if (code !== Code.ok) throw nativeError(code);
    return from.handBack;
  } catch (error) {
    throw from.handBack === undefined ? error : withInput(error, from.handBack);
  }
}

/** Allocates a result, or throws `ERR_CTC_OUT_OF_MEMORY`. */
export function allocate<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw outOfMemory(cause);
  }
}
