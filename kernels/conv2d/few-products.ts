import type { AdapterProfile } from '../kernel.ts';
import { type Correlation, correlationTiles, tapPixels } from './correlation-spec.ts';
import { ACTIVATE_VALUE, storeVector } from './epilogue.ts';
import { type Window, windowLoads, windowRow, windowVector } from './window.ts';

/*
 * The other body of a correlation (`correlation.ts`): many rows of few products each, first layers of one
 * channel, 1×1 ones of up to 16 channels, gradients onto many channels. There a tile would load its part of
 * the image for 16 or 32 rows and spend most of its time on that, on its weights and on its stores. Here a
 * lane keeps all that its four outputs see of the image, and rows of weights pass by:
 *
 *   x: K vec4s a lane, loaded once
 *   ┌──────────────────┐     lanes rows of weights at a time: each lane loads the K of one row
 *   │ · · · · · · · ·  │  ←  and passes them on by broadcast; a row is summed in one expression
 *   └──────────────────┘     and stored at once
 *
 * Sums move down one place after each store: one text of a store serves all, without an array of which
 * the driver would have to gather what it stores.
 */

/** More products gain little, and their text takes seconds to compile. */
const MOST_PRODUCTS = 16;
const LEAST_ROWS = 16;
/** Workgroups that are enough for any processor; beyond, all rows share what a lane has loaded. */
const ENOUGH_WORKGROUPS = 64;

/** Whether a correlation is done so. */
export function hasFewProducts(
  { channels, tapsX, tapsY, offsetsX, rows }: Correlation,
  { kind, subgroupSize }: AdapterProfile,
): boolean {
  return (
    kind === 'cpu' &&
    [4, 8, 16].includes(subgroupSize) &&
    offsetsX.length === 1 &&
    tapsX <= 4 &&
    channels * tapsX * tapsY <= MOST_PRODUCTS &&
    rows >= LEAST_ROWS
  );
}

/** Rows of one workgroup, a multiple of the lanes. */
export function fewShare(rows: number, laneGroups: number, lanes: number): number {
  return Math.ceil(rows / Math.ceil(ENOUGH_WORKGROUPS / laneGroups) / lanes) * lanes;
}

/** WGSL of the body of the kernel, from where the lane knows its place. */
export function fewProducts(spec: Correlation, window: Window, lanes: number): string {
  const { channels, tapsX, tapsY, outWidth } = spec;
  const { rowsPerLane, channelBlock } = correlationTiles(spec);
  const steps = (channels / channelBlock) * tapsY;
  const images: string[] = [];
  const weights: string[] = [];
  const products: string[] = ['vec4f(subgroupShuffle(shift, r))'];
  for (let step = 0; step < steps; step++) {
    const block = Math.floor(step / tapsY) * channelBlock;
    images.push('{', ...windowRow(window, 'image', `y0 + ${step % tapsY}`, 'sizes.height'));
    for (let k = 0; k < channelBlock * tapsX; k++) {
      const [c, u] = [Math.floor(k / tapsX), k % tapsX];
      if (u === 0) {
        const start = `plane + ${block + c}u * sizes.planePitch + imageRow * u32(sizes.width)`;
        images.push(...windowLoads(window, 'image', `c${c}`, start));
      }
      const x = `x${products.length}`;
      images.unshift(`var ${x}: vec4f;`);
      images.push(`${x} = ${windowVector(window, `c${c}`, tapPixels(spec, 0, u))};`);
      products.push(`subgroupShuffle(held${step}.${'xyzw'[k]}, r) * ${x}`);
    }
    images.push('}');
    weights.push(`let held${step} = weights[weight + ${step * rowsPerLane}u];`);
  }
  const sum = products.join(' + ');
  return `
  ${images.join('\n  ')}
  let left = select(0u, sizes.outWidth - 4u * quad, mine < sizes.places);
  let last = min((block + 1u) * sizes.share, sizes.rows);
  let pitch = sizes.outHeight * sizes.outWidth;
  var to = (item * sizes.outputRows + sizes.outputFirst + block * sizes.share) * pitch + row * sizes.outWidth + 4u * quad;
  for (var o = block * sizes.share; o < last; o += ${lanes}u) {
    let held = min(o + lane, sizes.rows - 1u);
    let weight = held / ${rowsPerLane}u * ${steps * rowsPerLane}u + held % ${rowsPerLane}u;
    ${weights.join('\n    ')}
    var shift = 0.0;
    if (sizes.biased != 0u) { shift = bias[held]; }
    let some = min(${lanes}u, last - o);
    for (var r = 0u; r < some; r++) {
      var value = ${sum};
      ${ACTIVATE_VALUE}
      ${storeVector(outWidth, 'to', 'left')}
      to += pitch;
    }
  }`;
}
