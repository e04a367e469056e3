// What main.ts tells a worker, and what all threads count together.

/** Places in the numbers that all threads share. */
export const COUNT = { taken: 0, right: 1, aborted: 2, collections: 3, length: 4 } as const;

export interface WorkerInput {
  readonly seed: number;
  /** The jobs of this round end before this number. */
  readonly end: number;
  readonly lanes: number;
  readonly arpa: string;
  readonly expected: readonly string[];
  readonly counts: Int32Array;
}
