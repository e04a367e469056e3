// Losses and best paths of a batch in one native call, over arrays that are used again and again.

import { inputForJob } from '../buffers.js';
import { type SourceBatch, tensorOf } from '../io/source.js';
import { LabelList } from '../io/tokens.js';
import { runJob } from '../job.js';
import { Code, native, nativeError, packPlan } from '../native.js';
import { integer, resolveBlank } from '../options.js';
import { resolveTensor } from '../tensor.js';

export interface EngineCall {
  input: 'logits' | 'logProbs';
  blank: number;
  threads: number | undefined;
  signal: AbortSignal | undefined;
}

/** What native/binding/evaluate.h exports; it checks the arrays' sizes again. */
interface EvaluateAddon {
  newTurn(): object;
  evaluate(
    plan: Float64Array,
    labels: Int32Array,
    input: ArrayBufferView,
    decodeLengths: Float64Array,
    turn: object,
    losses: Float64Array,
    status: Uint8Array,
    pathStatus: Uint8Array,
    blankFrames: Int32Array,
    labelCounts: Int32Array,
    pathLabels: Int32Array,
    confidences: Float64Array,
  ): number | Promise<number>;
}

/** Statuses of losses and of paths, as native/include/ctc/problem.h numbers them. */
export const EngineStatus = { ok: 0, infeasible: 1, nonfinite: 2 } as const;

/** Engines that share one compute one after another, so that no more threads compute than each was asked for. */
export class Turns {
  readonly handle = (native() as unknown as EvaluateAddon).newTurn();
  #ended = 0;

  /** Seconds of a run that began to wait for its turn at `asked` and has just ended. */
  end(asked: number): number {
    const began = Math.max(asked, this.#ended);
    this.#ended = performance.now();
    return (this.#ended - began) / 1000;
  }
}

/** One batch at a time: first `begin`, `add` for each utterance, then `run`; the results stay until the next `begin`. */
export class Engine {
  /** The texts' labels; utterance n owns those from `offsets[n]` to `offsets[n + 1]`. */
  readonly labels = new LabelList();
  offsets = new Float64Array(0);
  decodeLengths = new Float64Array(0);
  losses = new Float64Array(0);
  status = new Uint8Array(0);
  pathStatus = new Uint8Array(0);
  blankFrames = new Int32Array(0);
  /** Means over the labels of the best path; 0 where it has none. */
  confidences = new Float64Array(0);
  #lossLengths = new Float64Array(0);
  #labelCounts = new Int32Array(0);
  #pathLabels = new Int32Array(0);
  /** Labels of a path that there is room for. */
  #frames = 0;
  #added = 0;
  readonly #turns: Turns;

  constructor(turns = new Turns()) {
    this.#turns = turns;
  }

  begin(frames: number, utterances: number): void {
    if (this.losses.length < utterances) {
      this.offsets = new Float64Array(utterances + 1);
      this.decodeLengths = new Float64Array(utterances);
      this.losses = new Float64Array(utterances);
      this.status = new Uint8Array(utterances);
      this.pathStatus = new Uint8Array(utterances);
      this.blankFrames = new Int32Array(utterances);
      this.confidences = new Float64Array(utterances);
      this.#lossLengths = new Float64Array(utterances);
      this.#labelCounts = new Int32Array(utterances);
    }
    if (this.#pathLabels.length < frames * utterances) {
      this.#pathLabels = new Int32Array(frames * utterances);
    }
    this.#frames = frames;
    this.#added = 0;
    this.labels.length = 0;
  }

  /** The next utterance, whose labels have been appended to `labels`: frames for its loss, and for its best path. */
  add(lossFrames: number, decodeFrames: number): void {
    const n = this.#added++;
    this.#lossLengths[n] = lossFrames;
    this.decodeLengths[n] = decodeFrames;
    this.offsets[n + 1] = this.labels.length;
  }

  /** Computes, when its turn has come; the seconds it took. Throws what `ctcLoss` and `greedyDecode` throw. */
  async run(outputs: SourceBatch, { input, blank, threads, signal }: EngineCall): Promise<number> {
    signal?.throwIfAborted();
    const asked = performance.now();
    const tensor = resolveTensor(tensorOf(outputs), 'TNC');
    const plan = {
      tensor,
      inputLengths: this.#lossLengths,
      offsets: this.offsets,
      scales: undefined,
      blank: resolveBlank(blank, tensor.classes),
      logProbs: input === 'logProbs',
      softmaxGradient: false,
      threads: integer(threads, 'threads', 1, 1024, 0),
    };
    // The buffer is the reader's own and is not written before the batch is given back.
    const { data, copy } = inputForJob(tensor, 'borrow', undefined);
    const addon = native() as unknown as EvaluateAddon;
    const code = await runJob(
      (job) =>
        addon.evaluate(
          packPlan(plan, { copyInput: copy, privateGradient: false, job }),
          this.labels.view(0),
          data,
          this.decodeLengths,
          this.#turns.handle,
          this.losses,
          this.status,
          this.pathStatus,
          this.blankFrames,
          this.#labelCounts,
          this.#pathLabels,
          this.confidences,
        ),
      signal,
    );
    const seconds = this.#turns.end(asked);
    signal?.throwIfAborted();
    if (code !== Code.ok) throw nativeError(code);
    return seconds;
  }

  /** The text's labels of utterance `n`. */
  labelsOf(n: number): Int32Array {
    return this.labels.view(this.offsets[n]!, this.offsets[n + 1]!);
  }

  /** The labels of the best path of utterance `n`. */
  pathOf(n: number): Int32Array {
    const start = n * this.#frames;
    return this.#pathLabels.subarray(start, start + this.#labelCounts[n]!);
  }
}
