// How a bad call is written down: a change to a good one, and what is said about it.

/** Of the good call. */
export const [T, N, C] = [4, 2, 5];

export interface Call {
  input: unknown;
  targets: unknown;
  options: Record<string, unknown>;
}

/** A call that works: T=4, N=2, C=5. */
export function good(): Call {
  return {
    input: { data: new Float32Array(T * N * C), shape: [T, N, C] },
    targets: [
      [1, 2],
      [3, 3],
    ],
    options: { reduction: 'sum' },
  };
}

export interface Row {
  what: string;
  change: (call: Call) => Partial<Call>;
  name: 'TypeError' | 'RangeError' | 'CtcError';
  code: string;
  message: string;
  /** For options that only one of the two functions has. */
  only?: 'sync' | 'async';
}

export const tensor = (fields: object) => () => ({
  input: { data: new Float32Array(T * N * C), shape: [T, N, C], ...fields },
});
export const targets =
  (value: unknown, options: object = {}) =>
  (call: Call) => ({
    targets: value,
    options: { ...call.options, ...options },
  });
export const options = (fields: object) => (call: Call) => ({
  options: { ...call.options, ...fields },
});

export function detached<A extends Float32Array | Int32Array | BigInt64Array>(array: A): A {
  structuredClone(array.buffer as ArrayBuffer, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}

// Node 20 has resizable buffers, the es2023 library of TypeScript does not.
export function resizableBuffer(bytes: number): ArrayBuffer {
  type Constructor = new (bytes: number, options: { maxByteLength: number }) => ArrayBuffer;
  return new (ArrayBuffer as unknown as Constructor)(bytes, { maxByteLength: 2 * bytes });
}

export const type = (what: string, change: Row['change'], message: string): Row => ({
  what,
  change,
  name: 'TypeError',
  code: 'ERR_CTC_INVALID_ARG_TYPE',
  message,
});
export const range = (what: string, code: string, change: Row['change'], message: string): Row => ({
  what,
  change,
  name: 'RangeError',
  code: `ERR_CTC_${code}`,
  message,
});
