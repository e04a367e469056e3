// Whether device 'cuda' is the emulation here (test/cuda.test.ts) or a GPU (`npm run test:gpu`).

import { devices } from '../../lib/index.js';

export const emulated = devices().some(({ name }) => name === 'emulated on the host');
