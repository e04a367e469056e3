// Numbers on the command line.

import { InvalidArgumentError } from 'commander';

/** A parser of an option's value. */
export function integerFrom(least: number, most = 0x7fffffff): (value: string) => number {
  return (value) => {
    const number = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= least && number <= most)) {
      throw new InvalidArgumentError(`It must be an integer from ${least} to ${most}.`);
    }
    return number;
  };
}

/** A parser of an option's value that may have a fraction. */
export function numberFrom(least: number, most: number): (value: string) => number {
  return (value) => {
    const number = /^\d*\.?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= least && number <= most)) {
      throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
    }
    return number;
  };
}
