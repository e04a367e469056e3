import type { Tensor } from '@tensorflow/tfjs';
import * as decoders from '../decode.js';
import type { BeamUtterance, DecodeResult, GreedyUtterance } from '../decodeCall.js';
import type { BeamOptions, GreedyOptions, TokenNames } from '../decodeOptions.js';
import { typeError } from '../errors.js';
import { checkLogits } from './tensors.js';

/**
 * The main entry's `greedyDecode` of a tensor: the most probable class of every frame, repeats merged and
 * blanks dropped, off the event loop. The tensor may be disposed as soon as this has returned its promise.
 *
 * @param logits - float32, [T, N, C] ([N, T, C] with `layout: 'NTC'`), or [T, C].
 * @throws (as rejections) As the main entry's.
 */
export async function greedyDecode<N extends TokenNames = undefined>(
  logits: Tensor,
  options?: Omit<GreedyOptions<N>, 'buffers'>,
): Promise<DecodeResult<GreedyUtterance<N>>> {
  return decoders.greedyDecode(await values(logits), borrowed(options));
}

/** The main entry's `beamDecode` of a tensor; otherwise as {@link greedyDecode}. */
export async function beamDecode<N extends TokenNames = undefined>(
  logits: Tensor,
  options?: Omit<BeamOptions<N>, 'buffers'>,
): Promise<DecodeResult<BeamUtterance<N>>> {
  return decoders.beamDecode(await values(logits), borrowed(options));
}

/**
 * Nothing writes to a tensor's values or takes them away while the job holds them, so no copy is needed.
 */
function borrowed<O extends object>(options: O | undefined): O | undefined {
  // What is no object of options is for the decoder to refuse.
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    return options === undefined ? ({ buffers: 'borrow' } as unknown as O) : options;
  }
  if ('buffers' in options) {
    throw typeError(
      'ERR_CTC_UNKNOWN_OPTION',
      'buffers is no option here: tensors do not change, so nothing is copied',
    );
  }
  return { ...options, buffers: 'borrow' };
}

async function values(logits: Tensor): Promise<{ data: Float32Array; shape: number[] }> {
  const { shape } = checkLogits(logits);
  return { data: await logits.data<'float32'>(), shape };
}
