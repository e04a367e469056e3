// Times of several contenders, taken in turn, so that whatever else the machine does meets all of
// them alike. Ratios are taken round by round.

/**
 * @typedef {object} Measure
 * @property {number} median
 * @property {number} low first quartile
 * @property {number} high third quartile
 * @property {string} unit
 */

/** @typedef {Record<string, (repeat: number) => number | Promise<number>>} Contenders */

/**
 * Runs each contender once a round. A contender takes how often to repeat its work and answers
 * seconds for one. It runs once untimed before each sample, which then finds the caches and threads as its
 * own last run left them: the one that comes after another process would pay for that otherwise.
 *
 * @param {Contenders} contenders
 * @param {{ seconds?: number, least?: number, most?: number, sampleSeconds?: number }} [limits]
 *   seconds for all rounds, rounds at least and at most, and how long one sample should take
 * @returns {Promise<Record<string, number[]>>} seconds, one for each round
 */
export async function inTurn(contenders, limits = {}) {
  const { seconds = 2, least = 5, most = 25, sampleSeconds = 0.003 } = limits;
  const names = Object.keys(contenders);
  /** @type {Record<string, number[]>} */
  const times = {};
  /** @type {Record<string, number>} */
  const repeats = {};
  for (const name of names) {
    await contenders[name](1);
    const once = await contenders[name](1);
    repeats[name] = Math.min(100000, Math.max(1, Math.ceil(sampleSeconds / Math.max(once, 1e-9))));
    // Repeated often, a call gets faster: count again once it has been compiled.
    if (repeats[name] > 10) {
      const warm = await contenders[name](repeats[name]);
      repeats[name] = Math.max(1, Math.ceil(sampleSeconds / warm));
    }
    times[name] = [];
  }
  const begin = performance.now();
  for (let round = 0; round < most; round++) {
    if (round >= least && performance.now() - begin > 1000 * seconds) break;
    for (const name of names) {
      await contenders[name](1);
      times[name].push(await contenders[name](repeats[name]));
    }
  }
  return times;
}

/** A contender that calls `work` and waits for it where it answers a promise. */
export function timed(work) {
  return (repeat) => {
    const begin = performance.now();
    for (let i = 0; i < repeat; i++) work();
    return (performance.now() - begin) / 1000 / repeat;
  };
}

export function timedAsync(work) {
  return async (repeat) => {
    const begin = performance.now();
    for (let i = 0; i < repeat; i++) await work();
    return (performance.now() - begin) / 1000 / repeat;
  };
}

/** @returns {Measure} */
export function measure(values, unit, factor = 1) {
  const sorted = values.map((value) => value * factor).sort((a, b) => a - b);
  const at = (part) => {
    const place = part * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  };
  return { median: at(0.5), low: at(0.25), high: at(0.75), unit };
}

/** Of two contenders of the same rounds. */
export function ratio(above, below) {
  return measure(
    above.map((value, i) => value / below[i]),
    'x',
  );
}
