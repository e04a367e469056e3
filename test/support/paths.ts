// Where things lie, seen from a compiled test (build/test/support/paths.js).

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../../', import.meta.url));

export function fixture(name: string): string {
  return join(root, 'test', 'fixtures', name);
}
