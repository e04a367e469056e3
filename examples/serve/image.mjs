// A PNG file becomes one line of text as the model wants it: grey, 32 pixels high.

import sharp from 'sharp';
import { ServeError } from './errors.mjs';

/** Height of the model's input in pixels. */
export const HEIGHT = 32;

/** More than this is no text line; decoding takes memory for all of them. */
const MOST_PIXELS = 2 ** 22;

/** Of a line scaled to HEIGHT. A batch takes the time of its longest line. */
const WIDEST = 1024;

// One thread for each image, and no memory of images that never come again.
sharp.concurrency(1);
sharp.cache(false);

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Width and height as the header says, before anything is decoded. */
function sizeOf(file) {
  const isPng =
    Buffer.isBuffer(file) &&
    file.length >= 33 &&
    file.subarray(0, 8).equals(SIGNATURE) &&
    file.toString('latin1', 12, 16) === 'IHDR';
  if (!isPng) throw new ServeError(415, 'NOT_A_PNG', 'the body is not a PNG file');
  return { width: file.readUInt32BE(16), height: file.readUInt32BE(20) };
}

/**
 * Decodes a PNG file of any kind, off the event loop. Transparent parts become white.
 *
 * @returns `grey`: HEIGHT rows of `width` bytes; `scale`: pixels of the file for one of these.
 * @throws ServeError 413 `IMAGE_TOO_LARGE`, 415 `NOT_A_PNG`, 400 `BROKEN_IMAGE`
 */
export async function readLine(file) {
  const size = sizeOf(file);
  const width = Math.max(1, Math.round((size.width * HEIGHT) / size.height));
  // A height of 0 gives an infinite width here; the decoder would refuse it as well.
  if (size.width * size.height > MOST_PIXELS || width > WIDEST) {
    throw new ServeError(
      413,
      'IMAGE_TOO_LARGE',
      `the image is ${size.width} x ${size.height} pixels; a line has at most ${MOST_PIXELS} of them ` +
        `and is at most ${WIDEST / HEIGHT} times as wide as it is high`,
    );
  }
  try {
    const { data, info } = await sharp(file, { limitInputPixels: MOST_PIXELS, failOn: 'error' })
      .flatten({ background: 'white' })
      .resize({ width, height: HEIGHT, fit: 'fill' })
      .greyscale()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const grey = info.channels === 1 ? data : data.filter((_, i) => i % info.channels === 0);
    return { grey, width, scale: size.width / width };
  } catch (error) {
    throw new ServeError(400, 'BROKEN_IMAGE', `the image cannot be decoded: ${error.message}`);
  }
}
