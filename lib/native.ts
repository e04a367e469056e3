import type { AlignAddon } from './alignNative.js';
import type { DeviceAddon, DeviceHandle } from './deviceNative.js';
import { type CtcError, ctcError, rangeError } from './errors.js';
import { type Loaded, loadNative } from './load.js';
import type { ResolvedTensor } from './tensor.js';

/** What native/binding/addon.cpp exports. Each function checks its arrays' sizes again. */
interface Addon extends AlignAddon, DeviceAddon {
  readonly interfaceVersion: number;
  lossSync(
    plan: Float64Array,
    input: ArrayBufferView | DeviceHandle,
    gradient: ArrayBufferView | DeviceHandle | undefined,
  ): number;
  /** Reads the plan before it returns. Answers at once when nothing could be started. */
  loss(
    plan: Float64Array,
    input: ArrayBufferView | DeviceHandle,
    gradient: ArrayBufferView | DeviceHandle | undefined,
    results: Float64Array,
  ): number | Promise<number>;
  /** A number for a job that may be cancelled, unique in this thread. */
  newJob(): number;
  /** Stops the job of that number, or every job of this thread when it is 0. */
  cancel(job: number): void;
  isa(): { active: string; available: string[]; problem: string | undefined };
  defaultThreads(): number;
  /** Counts into `counts`, as native/include/ctc/edits.h tells; false where the texts are too long for it. */
  countTextEdits(reference: string, hypothesis: string, counts: Int32Array): boolean;
}

let loaded: Loaded<Addon> | undefined;

/** The addon, loaded at the first call that needs it. */
export function native(): Addon {
  if (loaded === undefined) {
    const fresh = loadNative<Addon>();
    const problem = fresh.addon.isa().problem;
    // A forced instruction set is for tests and measurements: another one must not stand in for it.
    if (problem !== undefined) throw ctcError('ERR_CTC_NATIVE_LOAD', problem);
    loaded = fresh;
  }
  return loaded.addon;
}

/** The file that {@link native} came from. */
export function nativePath(): string {
  native();
  return (loaded as Loaded<Addon>).path;
}

/** Places in a plan, as in native/binding/plan.h. After `header` come lengths, offsets and scales. */
const PLAN = {
  dtype: 0,
  frames: 1,
  utterances: 2,
  classes: 3,
  frameStride: 4,
  utteranceStride: 5,
  classStride: 6,
  blank: 7,
  inputKind: 8,
  gradientOf: 9,
  threads: 10,
  gradientFrameStride: 11,
  gradientUtteranceStride: 12,
  copyInput: 13,
  privateGradient: 14,
  job: 15,
  device: 16,
  header: 17,
} as const;

/** The numbers of a loss call. */
export interface LossPlan {
  readonly tensor: ResolvedTensor;
  readonly inputLengths: Float64Array;
  readonly offsets: Float64Array;
  /** Undefined when no gradient is wanted. */
  readonly scales: Float64Array | undefined;
  readonly blank: number;
  readonly logProbs: boolean;
  readonly softmaxGradient: boolean;
  /** 0: as many as the machine has cores. */
  readonly threads: number;
  /** A GPU's number; default: the CPU. */
  readonly device?: number;
}

/** How a job treats the memory that JavaScript can reach while it runs. */
export interface JobMemory {
  readonly copyInput: boolean;
  readonly privateGradient: boolean;
  /** From `newJob`, or 0 for one that is never cancelled. */
  readonly job: number;
}

/** Where a synchronous loss call's results are in its packed plan: losses, then numbers of STATUSES. */
export function resultsAt(utterances: number): number {
  return PLAN.header + 3 * utterances + 1;
}

// Plans of loss calls, each over and read before the next one is packed. Memory that C++ can see lies
// outside of V8's heap: to make and to collect it takes longer than to compute a small call.
let kept = new Float64Array(1024);
let keptLabels = new Int32Array(kept.buffer);
const MOST_KEPT = 1 << 16;

/** All numbers of a loss call in one array: crossing into C++ costs by the argument. */
export function packLoss(plan: LossPlan, labels: Int32Array, memory?: JobMemory): Float64Array {
  const begin = resultsAt(plan.tensor.utterances) + 2 * plan.tensor.utterances;
  const length = begin + Math.ceil(labels.length / 2);
  let packed = kept;
  let packedLabels = keptLabels;
  if (packed.length < length) {
    packed = new Float64Array(2 * length);
    packedLabels = new Int32Array(packed.buffer);
    if (length <= MOST_KEPT) [kept, keptLabels] = [packed, packedLabels];
  }
  pack(packed, plan, memory);
  packedLabels.set(labels, 2 * begin);
  return packed;
}

/** The numbers of any other call, whose labels cross by themselves. */
export function packPlan(plan: LossPlan, memory?: JobMemory): Float64Array {
  const packed = new Float64Array(resultsAt(plan.tensor.utterances));
  pack(packed, plan, memory);
  return packed;
}

function pack(packed: Float64Array, plan: LossPlan, memory: JobMemory | undefined): void {
  const { tensor, inputLengths, offsets, scales } = plan;
  const utterances = tensor.utterances;
  packed[PLAN.dtype] = tensor.dtype;
  packed[PLAN.frames] = tensor.frames;
  packed[PLAN.utterances] = utterances;
  packed[PLAN.classes] = tensor.classes;
  packed[PLAN.frameStride] = tensor.frameStride;
  packed[PLAN.utteranceStride] = tensor.utteranceStride;
  packed[PLAN.classStride] = tensor.classStride;
  packed[PLAN.blank] = plan.blank;
  packed[PLAN.inputKind] = plan.logProbs ? 1 : 0;
  packed[PLAN.gradientOf] = plan.softmaxGradient ? 1 : 0;
  packed[PLAN.threads] = plan.threads === 0 ? defaultThreads() : plan.threads;
  packed[PLAN.device] = plan.device ?? -1;
  const classes = tensor.classes;
  const batchMajor = tensor.layout === 'NTC';
  packed[PLAN.gradientFrameStride] = batchMajor ? classes : utterances * classes;
  packed[PLAN.gradientUtteranceStride] = batchMajor ? tensor.frames * classes : classes;
  packed[PLAN.copyInput] = memory?.copyInput ? 1 : 0;
  packed[PLAN.privateGradient] = memory?.privateGradient ? 1 : 0;
  packed[PLAN.job] = memory?.job ?? 0;
  let at: number = PLAN.header;
  for (let n = 0; n < utterances; n++) packed[at++] = inputLengths[n] as number;
  for (let n = 0; n <= utterances; n++) packed[at++] = offsets[n] as number;
  if (scales !== undefined) {
    for (let n = 0; n < utterances; n++) packed[at++] = scales[n] as number;
  }
}

let threads = 0;

/** Threads that a call takes unless told otherwise. */
export function defaultThreads(): number {
  if (threads === 0) threads = native().defaultThreads();
  return threads;
}

/** What native calls answer, as in native/binding/plan.h. */
export const Code = {
  ok: 0,
  outOfMemory: 1,
  cancelled: 2,
  badArgument: 3,
  inputChanged: 4,
  outputChanged: 5,
  misaligned: 6,
  overlap: 7,
  noExternalMemory: 8,
} as const;

/** Codes from here on are a device's failures, as its runtime numbers them. */
const DEVICE_FAILURE = 1000;
/** The device was reset since. */
const MEMORY_LOST = DEVICE_FAILURE + 709;

/** The error for an answer other than ok and cancelled. */
export function nativeError(code: number): Error {
  if (code === MEMORY_LOST) {
    return ctcError(
      'ERR_CTC_DEVICE',
      'the GPU was reset after a failure, and with it went this DeviceTensor: upload it again',
    );
  }
  if (code >= DEVICE_FAILURE) {
    return ctcError('ERR_CTC_DEVICE', `the GPU failed: ${native().backendErrorText(code)}`);
  }
  switch (code) {
    case Code.outOfMemory:
      return outOfMemory();
    case Code.inputChanged:
      return rangeError('ERR_CTC_BUFFER', 'input.data was detached or shrunk during the call');
    case Code.outputChanged:
      return rangeError(
        'ERR_CTC_BUFFER',
        'gradient was detached or shrunk during the call, so the result has no place to go',
      );
    case Code.misaligned:
      return rangeError(
        'ERR_CTC_BUFFER',
        'input.data or gradient lies at an address that does not fit its element size: copy it first',
      );
    case Code.overlap:
      return overlap();
    case Code.noExternalMemory:
      return ctcError('ERR_CTC_DEVICE', 'this JavaScript engine takes no page-locked memory');
    default:
      return ctcError(
        'ERR_CTC_INVALID_ARG_VALUE',
        'the native core refused an argument: was one changed during the call?',
      );
  }
}

/** An output shares memory with what is read. */
export function overlap(): Error {
  return rangeError(
    'ERR_CTC_BUFFER',
    'gradient overlaps input.data: give it memory of its own, or gradient: true',
  );
}

/** Memory could not be had. */
export function outOfMemory(cause?: unknown): CtcError {
  return ctcError(
    'ERR_CTC_OUT_OF_MEMORY',
    'not enough memory: split the batch, or use fewer threads',
    cause === undefined ? undefined : { cause },
  );
}
