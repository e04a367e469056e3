import { packageVersion } from './here.cjs';
import { defaultThreads, native, nativePath } from './native.js';

/** What runs on this machine. */
export interface Info {
  /** Version of this package. */
  readonly version: string;
  /** Instruction set in use: `'avx512'`, `'avx2'`, `'neon'` or `'baseline'`. */
  readonly isa: string;
  /** Instruction sets that this machine can run; NODE_CTC_ISA picks one. */
  readonly isas: readonly string[];
  /** Threads that a call may use by default. */
  readonly threads: number;
  /** The native addon that was loaded. */
  readonly binary: string;
}

/**
 * Tells version, instruction set, threads and the addon's file.
 *
 * @throws CtcError `ERR_CTC_NATIVE_LOAD` when no addon loads.
 */
export function info(): Info {
  const isa = native().isa();
  return {
    version: packageVersion,
    isa: isa.active,
    isas: isa.available,
    threads: defaultThreads(),
    binary: nativePath(),
  };
}
