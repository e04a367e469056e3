// Every golden case, within the tolerances that the package promises.

import { ctcLoss, ctcLossSync } from '../lib/index.js';
import { assertClose } from './support/close.js';
import { type Golden, goldenCases, special } from './support/golden.js';

const precisions = [
  { name: 'float32', View: Float32Array, lossTolerance: 1e-6, gradientTolerance: 2e-5 },
  { name: 'float64', View: Float64Array, lossTolerance: 1e-12, gradientTolerance: 1e-9 },
] as const;

function inputs(golden: Golden, View: Float32ArrayConstructor | Float64ArrayConstructor) {
  const { T, N, V, targets, inputLengths, blank, mode } = golden;
  return {
    tensor: { data: new View(golden.input), shape: [T, N, V] },
    targets,
    options: { inputLengths, blank, input: mode },
  };
}

describe('golden cases', () => {
  for (const golden of goldenCases()) {
    describe(`${golden.id}: ${golden.description}`, () => {
      for (const { name, View, lossTolerance, gradientTolerance } of precisions) {
        const conventions =
          golden.mode === 'logits'
            ? ([['grad', 'input']] as const)
            : ([
                ['gradTrue', 'input'],
                ['gradTorch', 'softmax'],
              ] as const);
        for (const [gradientName, gradientOf] of conventions) {
          it(`${name}: losses and ${gradientName}`, async () => {
            const { tensor, targets, options } = inputs(golden, View);
            const all = {
              ...options,
              reduction: 'sum' as const,
              ...convention(golden, gradientOf),
            };
            const expected = golden.gradient(gradientName)!;
            const sync = ctcLossSync(tensor, targets, all);
            assertClose(sync.losses, golden.loss, lossTolerance, 'loss');
            assertClose(sync.gradient, expected, gradientTolerance, gradientName);
            const { losses, gradient } = await ctcLoss(tensor, targets, all);
            assertClose(losses, sync.losses, 0, 'loss of the async call');
            assertClose(gradient, sync.gradient, 0, 'gradient of the async call');
          });
        }

        it(`${name}: loss alone`, () => {
          const { tensor, targets, options } = inputs(golden, View);
          const { losses } = ctcLossSync(tensor, targets, { ...options, gradient: false });
          assertClose(losses, golden.loss, lossTolerance, 'loss');
        });

        if (golden.reduced) {
          it(`${name}: reductions`, () => {
            const { tensor, targets, options } = inputs(golden, View);
            for (const [key, infeasible] of [
              ['zeroInfinity=false', 'infinity'],
              ['zeroInfinity=true', 'zero'],
            ] as const) {
              for (const reduction of ['sum', 'mean'] as const) {
                const { loss } = ctcLossSync(tensor, targets, {
                  ...options,
                  infeasible,
                  reduction,
                  gradient: false,
                });
                const expected = special(golden.reduced![key][reduction]);
                assertClose(loss, expected, lossTolerance, `${reduction} with ${key}`);
              }
            }
          });
        }

        const gradMean = golden.gradient('gradMean');
        if (gradMean) {
          it(`${name}: gradient of the mean`, () => {
            const { tensor, targets, options } = inputs(golden, View);
            const { gradient } = ctcLossSync(tensor, targets, {
              ...options,
              ...convention(golden, 'softmax'),
              reduction: 'mean',
              infeasible: 'zero',
            });
            assertClose(gradient, gradMean, gradientTolerance, 'gradMean');
          });
        }
      }
    });
  }
});

/** gradientOf goes with log-probabilities only. */
function convention(golden: Golden, gradientOf: 'input' | 'softmax') {
  return golden.mode === 'logits' ? {} : { gradientOf };
}
