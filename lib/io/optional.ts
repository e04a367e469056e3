// Packages that only some formats need, and that are installed by whoever needs them.

import { fileError } from './file.js';

/** What `load` imports. Throws `ERR_CTC_FILE` that names the packages where they are not installed. */
export async function loadPackage<M>(
  path: string,
  names: string | readonly string[],
  purpose: string,
  load: () => Promise<M>,
): Promise<M> {
  try {
    return await load();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const missing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
    const list = [names].flat();
    const [packages, are, do_] =
      list.length > 1 ? ['packages', 'are', 'do'] : ['package', 'is', 'does'];
    const needs = `${purpose} needs the ${packages} ${list.join(' and ')}, which`;
    const problem = missing
      ? `${needs} ${are} not installed`
      : `${needs} ${do_} not load (${(error as Error).message})`;
    throw fileError(path, problem, `Install: npm install ${list.join(' ')}`, error);
  }
}
