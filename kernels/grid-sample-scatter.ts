import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { type GridSampleSpec, gridSampleKey, tapsFunction } from './grid-sample.ts';
import { type AdapterProfile, type Kernel, spreadWorkgroups } from './kernel.ts';
import { linearMain, linearWorkgroups } from './linear.ts';

/*
 * The gradient of bilinear sampling with respect to the image, for CPU drivers. A lane owns a tile of the
 * image and some channels, and nobody else writes there: it goes over the blocks of output pixels
 * whose box of taps reaches the tile, in order, and adds what their pixels have for it. Every lane looks for
 * its next block by itself, and then all lanes of a subgroup go through their blocks in step, so that
 * none stands still while others work. An output pixel is visited by about (1 + 8/32)² tiles where
 * displacements are smooth, and by all where they are wild.
 *
 * Sums are f32 whatever the gradient is stored as, so they stand in a temporary, and a last kernel copies them.
 */

/** Channels that a lane adds up. */
const CHANNELS = 4;
/** Least number of lanes for which tiles are made smaller. */
const LANES = 64;

interface Tiling {
  /** Pixels along each axis of a tile. */
  readonly side: number;
  readonly across: number;
  readonly down: number;
  /** Groups of channels. */
  readonly groups: number;
  /** Lanes with a tile. */
  readonly count: number;
}

function tilingOf({ batch, channels, height, width }: GridSampleSpec): Tiling {
  const groups = Math.ceil(channels / CHANNELS);
  const tiling = (side: number): Tiling => {
    const [across, down] = [Math.ceil(width / side), Math.ceil(height / side)];
    return { side, across, down, groups, count: batch * groups * across * down };
  };
  return [32, 16].map(tiling).find(({ count }) => count >= LANES) ?? tiling(8);
}

/** Clears what the sums are added to. Binding sums. */
export function clearSums(count: number): Kernel {
  return {
    key: 'grid-sample.clear',
    bindings: ['write'],
    workgroups: linearWorkgroups(Math.ceil(count / 4)),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read_write> sums: array<vec4f>;
${linearMain('arrayLength(&sums)')}
  sums[index] = vec4f(0.0);
}
`,
  };
}

/**
 * Adds up the gradient. Bindings grid, dy, boxes, sums (zeros).
 * @param block output pixels along each axis of the blocks that have boxes
 */
export function scatterToTiles(
  spec: GridSampleSpec,
  block: number,
  { subgroupSize }: AdapterProfile,
): Kernel {
  const { channels, height, width, outputHeight, outputWidth } = spec;
  const { side, across, down, groups, count } = tilingOf(spec);
  const blocksAcross = Math.ceil(outputWidth / block);
  const blocks = blocksAcross * Math.ceil(outputHeight / block);
  const outputs = outputHeight * outputWidth;
  const each = Array.from({ length: Math.min(channels, CHANNELS) }, (_, k) => k);
  const isRagged = channels % CHANNELS > 0 && groups > 1;
  const guard = (k: number): string => (isRagged ? `if (channel + ${k}u < ${channels}u) ` : '');
  const within = (k: number): string =>
    isRagged ? `min(${k}u, ${channels - 1}u - channel)` : `${k}u`;
  const lanes = subgroupSize || 8;
  const tap = (x: number, y: number): string => `
        if (all(step >= vec2i(${-x}, ${-y})) && all(step < size - vec2i(${x}, ${y}))) {
          let weight = ${x ? 'at.weight.x' : '(1.0 - at.weight.x)'} * ${y ? 'at.weight.y' : '(1.0 - at.weight.y)'};
          let place = u32(start + step.y * ${width} + step.x + ${y * width + x});
          ${each.map((k) => `${guard(k)}{ sums[place + ${k * height * width}u] += weight * dy${k}; }`).join('\n          ')}
        }`;
  return {
    key: gridSampleKey(`scatter${lanes}`, spec),
    bindings: ['read', 'read', 'read', 'write'],
    workgroups: spreadWorkgroups(Math.ceil(count / lanes)),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> grid: array<vec2f>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> boxes: array<vec4i>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;
${tapsFunction(spec)}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * groups.x + group.x) * ${lanes}u + lane;
  if (index >= ${count}u) { return; }
  let own = index % ${across * down}u;
  let sample = index / ${groups * across * down}u;
  let channel = (index / ${across * down}u) % ${groups}u * ${CHANNELS}u;
  let plane = sample * ${channels}u + channel;
  let corner = vec2i(i32(own % ${across}u), i32(own / ${across}u)) * ${side};
  let start = i32(plane * ${height * width}u) + corner.y * ${width} + corner.x;
  let size = min(vec2i(${side}), vec2i(${width}, ${height}) - corner);
  var block = 0u;
  loop {
    // A tile has a tap of a pixel whose first tap is in it, or one before it in x, y or both.
    loop {
      if (block >= ${blocks}u) { break; }
      let box = boxes[sample * ${blocks}u + block];
      if (all(box.zw >= corner - 1) && all(box.xy < corner + size)) { break; }
      block++;
    }
    if (block >= ${blocks}u) { break; }
    let top = (block / ${blocksAcross}u) * ${block}u;
    let left = (block % ${blocksAcross}u) * ${block}u;
    for (var i = 0u; i < ${block * block}u; i++) {
      let row = top + i / ${block}u;
      let column = left + i % ${block}u;
      if (row < ${outputHeight}u && column < ${outputWidth}u) {
        let pixel = row * ${outputWidth}u + column;
        let at = taps(grid[sample * ${outputs}u + pixel]);
        let step = at.first - corner;
        ${each.map((k) => `let dy${k} = dy[(plane + ${within(k)}) * ${outputs}u + pixel];`).join('\n        ')}
        ${tap(0, 0)}${tap(1, 0)}${tap(0, 1)}${tap(1, 1)}
      }
    }
    block++;
  }
}
`,
  };
}

/** Copies the sums. Bindings sums, dx. */
export function storeSums(count: number): Kernel {
  return {
    key: 'grid-sample.store',
    bindings: ['read', 'write'],
    workgroups: linearWorkgroups(Math.ceil(count / 4)),
    code: () => wgsl`
@group(0) @binding(0) var<storage, read> sums: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
${linearMain('arrayLength(&result)')}
  result[index] = sums[index];
}
`,
  };
}
