// Reads the few Python literals that a .npy header is made of. Nothing is ever evaluated.

/** A Python literal: integers are bigint, tuples and lists are arrays, dicts are Maps. */
export type PythonLiteral =
  | string
  | bigint
  | boolean
  | null
  | PythonLiteral[]
  | Map<string, PythonLiteral>;

// numpy nests 3 deep for structured dtypes; beyond this depth a header is an attack on the stack.
const maxDepth = 16;

const closers = { '(': ')', '[': ']' } as const;

/** Parses `text` as one literal. Throws a SyntaxError that names the place. */
export function parsePythonLiteral(text: string): PythonLiteral {
  let position = 0;

  function fail(expected: string): never {
    throw new SyntaxError(`expected ${expected} at character ${position + 1}`);
  }

  function match(pattern: RegExp): string | undefined {
    pattern.lastIndex = position;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) position += found.length;
    return found;
  }

  function skipSpace(): void {
    match(/[ \t\r\n]*/y);
  }

  function accept(token: string): boolean {
    skipSpace();
    if (!text.startsWith(token, position)) return false;
    position += token.length;
    return true;
  }

  function value(depth: number): PythonLiteral {
    if (depth > maxDepth) fail('fewer nested brackets');
    skipSpace();
    const first = text[position];
    if (first === "'" || first === '"') return string();
    if (first === '{') return dict(depth);
    if (first === '(' || first === '[') return sequence(first, depth);
    const number = match(/[+-]?\d+/y);
    if (number !== undefined) {
      match(/L/y); // Python 2 wrote long integers as 3L
      return BigInt(number);
    }
    const word = match(/True|False|None/y);
    if (word === undefined) fail('a value');
    return word === 'None' ? null : word === 'True';
  }

  function string(): string {
    const literal = match(/'[^'\\\n]*'|"[^"\\\n]*"/y);
    if (literal === undefined) fail('a closed string without escapes');
    return literal.slice(1, -1);
  }

  function sequence(open: '(' | '[', depth: number): PythonLiteral {
    position += 1;
    const close = closers[open];
    const items: PythonLiteral[] = [];
    while (!accept(close)) {
      items.push(value(depth + 1));
      if (accept(',')) continue;
      if (!accept(close)) fail(`, or ${close}`);
      // One value in parentheses without a comma is that value, not a tuple.
      return open === '(' && items.length === 1 ? items[0]! : items;
    }
    return items;
  }

  function dict(depth: number): PythonLiteral {
    position += 1;
    const entries = new Map<string, PythonLiteral>();
    while (!accept('}')) {
      skipSpace();
      const key = string();
      if (entries.has(key)) fail(`'${key}' only once`);
      if (!accept(':')) fail(':');
      entries.set(key, value(depth + 1));
      if (accept(',')) continue;
      if (!accept('}')) fail(', or }');
      break;
    }
    return entries;
  }

  const result = value(0);
  skipSpace();
  if (position !== text.length) fail('the end');
  return result;
}
