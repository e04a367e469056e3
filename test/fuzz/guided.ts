// A coverage-guided fuzzer: inputs that reach what none before them reached are kept, and changed further.

import type { Coverage } from './coverage.js';
import { mutate } from './mutate.js';
import type { Random } from './random.js';

export interface Target {
  readonly name: string;
  /** Small good inputs of every kind. */
  readonly seeds: readonly Buffer[];
  /** What the format is written with. */
  readonly words: readonly string[];
  /** Throws where something is as it must never be. */
  run(input: Buffer): Promise<void>;
}

export interface Outcome {
  executions: number;
  /** Blocks of code that ran. */
  blocks: number;
  /** The inputs that each reached something new, seeds included. */
  corpus: Buffer[];
  failure?: { input: Buffer; error: unknown };
}

const batchSize = 48;
const mostBytes = 4096;

/** Runs `target` on its seeds, on `corpus`, and on what becomes of them until `isOver()` says so. */
export async function fuzz(
  target: Target,
  corpus: readonly Buffer[],
  random: Random,
  coverage: Coverage,
  isOver: (executions: number) => boolean,
): Promise<Outcome> {
  const kept: Buffer[] = [];
  const blocks = new Set<string>();
  const seen = new Set<string>();
  let executions = 0;
  let failure: Outcome['failure'];

  const run = async (input: Buffer): Promise<boolean> => {
    executions += 1;
    try {
      await target.run(input);
    } catch (error) {
      failure = { input, error };
    }
    return failure === undefined;
  };
  /** Runs one input, and keeps it if it reached a block that often for the first time. */
  const weigh = async (input: Buffer): Promise<void> => {
    await run(input);
    let isNew = false;
    for (const [block, count] of coverage.take()) {
      const feature = `${block}*${Math.min(16, Math.floor(Math.log2(count)))}`;
      isNew ||= !seen.has(feature);
      seen.add(feature);
      blocks.add(block);
    }
    if (isNew) kept.push(input);
  };

  for (const input of [...target.seeds, ...corpus]) {
    await weigh(input);
    if (failure !== undefined) break;
  }
  // Coverage is looked at for a batch at once, and for each input only where the batch shows something new.
  while (failure === undefined && !isOver(executions)) {
    const batch = Array.from({ length: batchSize }, () => {
      // Those found last have been changed least.
      const last = kept.length - 1 - random.below(Math.min(kept.length, 32));
      const from = random.below(2) === 0 ? kept[last]! : random.pick(kept);
      return mutate(random, from, kept, target.words, mostBytes);
    });
    for (const input of batch) {
      if (!(await run(input))) break;
    }
    if (failure !== undefined) break;
    if ([...coverage.take().keys()].every((block) => blocks.has(block))) continue;
    for (const input of batch) await weigh(input);
  }
  return { executions, blocks: blocks.size, corpus: kept, failure };
}
