import type { AdapterProfile } from '../kernel.ts';
import { repeat } from './columns.ts';
import { type Correlation, correlationTiles, tapPixels } from './correlation-spec.ts';
import { ACTIVATE_VALUE, storeVector } from './epilogue.ts';
import { type Window, windowLoads, windowRow, windowVector } from './window.ts';

/*
 * The other body of a correlation (`correlation.ts`): many rows of few products each, first layers, 1×1 ones of up
 * to 64 channels, gradients onto many channels. There a tile would load its part of the image for 16 or 32
 * rows and spend most of its time on that, on its weights and on its stores. Here a lane keeps all that its outputs,
 * a vec4 or two, see of the image, and rows of weights pass by:
 *
 *   x: K vec4s a lane (or twice that), loaded once
 *   ┌──────────────────┐     lanes rows of weights at a time: each lane loads the K of one row
 *   │ · · · · · · · ·  │  ←  and passes them on by shuffles; a row is summed in one expression
 *   └──────────────────┘     and stored at once
 *
 * The image is loaded in rounds, a block of channels with all their taps each, and what there is moves on by as many
 * places: written out, the loads of 64 products and two vec4s take lavapipe 24 s to compile, in rounds 2.5 s.
 *
 * One text serves all rows. Text for as many rows as there are lanes, whose weights are passed on by
 * broadcast, is more than a processor keeps of decoded instructions, and takes 1.1 to 1.6 times as long.
 */

/** More are better done in tiles; so are rows that are fewer than their products. */
const MOST_PRODUCTS = 64;
const LEAST_ROWS = 16;
/** Of more products than these, a vec4 must be used by so many rows to repay that it is loaded and moved. */
const MANY_PRODUCTS = 32;
const REPAYING_ROWS = 64;
/** Workgroups that are enough for a processor; beyond, all rows share what a lane has loaded. */
const ENOUGH_WORKGROUPS = 16;
/** Rows of a workgroup, of that many workgroups, from which on a lane takes two vec4s. */
const ENOUGH_ROWS = 32;

/** How the outputs of a correlation are cut. */
export interface FewCut {
  /** vec4s of outputs of a lane: two share the weights where that leaves enough work for all workgroups. */
  readonly vectors: number;
  /** Rows of one workgroup, a multiple of the lanes. */
  readonly share: number;
}

/** How a correlation is done so; undefined where another body is better. */
export function fewCut(
  spec: Correlation,
  { kind, subgroupSize }: AdapterProfile,
): FewCut | undefined {
  const { batch, channels, tapsX, tapsY, offsetsX, rows, outHeight, outWidth } = spec;
  const products = channels * tapsX * tapsY;
  if (
    kind !== 'cpu' ||
    ![4, 8, 16].includes(subgroupSize) ||
    offsetsX.length !== 1 ||
    tapsX > 4 ||
    products > MOST_PRODUCTS ||
    rows < Math.max(LEAST_ROWS, products)
  ) {
    return undefined;
  }
  const places = batch * outHeight * Math.ceil(outWidth / 4);
  const isEnough = places * rows >= 2 * subgroupSize * ENOUGH_WORKGROUPS * ENOUGH_ROWS;
  const vectors = isEnough ? 2 : 1;
  const laneGroups = Math.ceil(places / (subgroupSize * vectors));
  const share =
    Math.ceil(rows / Math.ceil(ENOUGH_WORKGROUPS / laneGroups) / subgroupSize) * subgroupSize;
  if (products > MANY_PRODUCTS && share < REPAYING_ROWS) return undefined;
  return { vectors, share };
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
  // Products of a step, of all, and of a round.
  const length = channelBlock * tapsX;
  const products = steps * length;
  const round = tapsY * length;
  const images = places.map((place, e) => {
    const lines = [`var to${e}: u32;`, `var left${e}: u32;`];
    lines.push(repeat(products, (k) => `var x${e}_${k}: vec4f;`));
    lines.push('{', place);
    if (round < products) {
      lines.push('for (var c = 0u; c < sizes.channelSteps; c++) {');
      lines.push(repeat(products - round, (k) => `x${e}_${k} = x${e}_${k + round};`));
    }
    for (let k = products - round; k < products; k++) {
      const [c, u] = [Math.floor((k % length) / tapsX), k % tapsX];
      if (k % length === 0) {
        const tap = Math.floor(k / length) % tapsY;
        lines.push('{', ...windowRow(window, 'image', `y0 + ${tap}`, 'sizes.height'));
      }
      if (u === 0) {
        const start = `plane + ${c}u * sizes.planePitch + imageRow * u32(sizes.width)`;
        lines.push(...windowLoads(window, 'image', `c${c}`, start));
      }
      lines.push(`x${e}_${k} = ${windowVector(window, `c${c}`, tapPixels(spec, 0, u))};`);
      if (k % length === length - 1) lines.push('}');
    }
    if (round < products) lines.push(`plane += ${channelBlock}u * sizes.planePitch;`, '}');
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
