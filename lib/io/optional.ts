// Packages that only some formats need, and that are installed by whoever needs them.

import { fileError } from './file.js';

/** What `load` imports. Throws `ERR_CTC_FILE` that names the package where it is not installed. */
export async function loadPackage<M>(
  path: string,
  name: string,
  purpose: string,
  load: () => Promise<M>,
): Promise<M> {
  try {
    return await load();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const missing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
    const problem = missing
      ? `${purpose} needs the package ${name}, which is not installed`
      : `${purpose} needs the package ${name}, which does not load (${(error as Error).message})`;
    throw fileError(path, problem, `Install it: npm install ${name}`, error);
  }
}
