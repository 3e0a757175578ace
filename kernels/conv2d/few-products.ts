import type { AdapterProfile } from '../kernel.ts';
import { repeat } from './columns.ts';
import { type Correlation, correlationTiles, tapPixels } from './correlation-spec.ts';
import { ACTIVATE_VALUE, storeVector } from './epilogue.ts';
import { type Window, windowLoads, windowRow, windowVector } from './window.ts';

/*
 * The other body of a correlation (`correlation.ts`): many rows of few products each, first layers, 1×1 ones of up
 * to 32 channels, gradients onto many channels. There a tile would load its part of the image for 16 or 32
 * rows and spend most of its time on that, on its weights and on its stores. Here a lane keeps all that its outputs,
 * a vec4 or two, see of the image, and rows of weights pass by:
 *
 *   x: K vec4s a lane (or twice that), loaded once
 *   ┌──────────────────┐     lanes rows of weights at a time: each lane loads the K of one row
 *   │ · · · · · · · ·  │  ←  and passes them on by shuffles; a row is summed in one expression
 *   └──────────────────┘     and stored at once
 *
 * One text serves all rows. Text for as many rows as there are lanes, whose weights are passed on by
 * broadcast, is more than a processor keeps of decoded instructions, and takes 1.1 to 1.6 times as long.
 */

/** More are better done in tiles; so are rows that are fewer than their products. */
const MOST_PRODUCTS = 32;
const LEAST_ROWS = 16;
/** Workgroups that are enough for any processor; beyond, all rows share what a lane has loaded. */
const ENOUGH_WORKGROUPS = 64;
/** Rows of a workgroup, of that many workgroups, from which on a lane takes two vec4s. */
const ENOUGH_ROWS = 128;

/** Whether a correlation is done so. */
export function hasFewProducts(
  { channels, tapsX, tapsY, offsetsX, rows }: Correlation,
  { kind, subgroupSize }: AdapterProfile,
): boolean {
  const products = channels * tapsX * tapsY;
  return (
    kind === 'cpu' &&
    [4, 8, 16].includes(subgroupSize) &&
    offsetsX.length === 1 &&
    tapsX <= 4 &&
    products <= MOST_PRODUCTS &&
    rows >= Math.max(LEAST_ROWS, products)
  );
}

/** Rows of one workgroup, a multiple of the lanes. */
export function fewShare(rows: number, laneGroups: number, lanes: number): number {
  return Math.ceil(rows / Math.ceil(ENOUGH_WORKGROUPS / laneGroups) / lanes) * lanes;
}

/** vec4s of outputs of a lane: two share the weights where that leaves enough work for all workgroups. */
export function fewVectors(places: number, rows: number, lanes: number): number {
  return places * rows >= 2 * lanes * ENOUGH_WORKGROUPS * ENOUGH_ROWS ? 2 : 1;
}

/**
 * WGSL of the body of the kernel.
 * @param places for each vec4 of a lane lines that tell its `place`, `mine`, `quad`, `row`, `item`
 */
export function fewProducts(
  spec: Correlation,
  window: Window,
  lanes: number,
  places: readonly string[],
): string {
  const { channels, tapsX, tapsY, outWidth } = spec;
  const { rowsPerLane, channelBlock } = correlationTiles(spec);
  const steps = (channels / channelBlock) * tapsY;
  // Products of a step.
  const length = channelBlock * tapsX;
  const products = steps * length;
  const images = places.map((place, e) => {
    const lines = [`var to${e}: u32;`, `var left${e}: u32;`];
    lines.push(
      repeat(products, (k) => `var x${e}_${k}: vec4f;`),
      '{',
      place,
    );
    for (let k = 0; k < products; k++) {
      const step = Math.floor(k / length);
      const [c, u] = [Math.floor((k % length) / tapsX), k % tapsX];
      if (k % length === 0) {
        lines.push('{', ...windowRow(window, 'image', `y0 + ${step % tapsY}`, 'sizes.height'));
      }
      if (u === 0) {
        const channel = Math.floor(step / tapsY) * channelBlock + c;
        const start = `plane + ${channel}u * sizes.planePitch + imageRow * u32(sizes.width)`;
        lines.push(...windowLoads(window, 'image', `c${c}`, start));
      }
      lines.push(`x${e}_${k} = ${windowVector(window, `c${c}`, tapPixels(spec, 0, u))};`);
      if (k % length === length - 1) lines.push('}');
    }
    lines.push(
      `left${e} = select(0u, sizes.outWidth - 4u * quad, mine < sizes.places);`,
      `to${e} = (item * sizes.outputRows + sizes.outputFirst + block * sizes.share) * pitch + row * sizes.outWidth + 4u * quad;`,
      '}',
    );
    return lines.join('\n  ');
  });
  const sum = (e: number): string => repeat(products, (k) => ` + w${k} * x${e}_${k}`);
  return `
  let pitch = sizes.outHeight * sizes.outWidth;
  ${images.join('\n  ')}
  let last = min((block + 1u) * sizes.share, sizes.rows);
  for (var o = block * sizes.share; o < last; o += ${lanes}u) {
    let held = min(o + lane, sizes.rows - 1u);
    let weight = held / ${rowsPerLane}u * ${steps * rowsPerLane}u + held % ${rowsPerLane}u;
    ${repeat(steps, (step) => `let held${step} = weights[weight + ${step * rowsPerLane}u];`)}
    var shift = 0.0;
    if (sizes.biased != 0u) { shift = bias[held]; }
    let some = min(${lanes}u, last - o);
    for (var r = 0u; r < some; r++) {
      let start = vec4f(subgroupShuffle(shift, r));
      ${repeat(products, (k) => `let w${k} = subgroupShuffle(held${Math.floor(k / length)}.${'xyzw'[k % length]}, r);`)}
      ${repeat(
        places.length,
        (e) => `{
        var value = start${sum(e)};
        ${ACTIVATE_VALUE}
        ${storeVector(outWidth, `to${e}`, `left${e}`)}
        to${e} += pitch;
      }`,
      )}
    }
  }`;
}
