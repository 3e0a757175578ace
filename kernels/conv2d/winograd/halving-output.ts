import type { Kernel } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import { addContribution, elementNames, indices, TILE, zeros } from './filtering.ts';
import { TWO_TAPS } from './paired-points.ts';
import { tileOutput } from './tile-output.ts';
import type { Chunk, WinogradTiles } from './tiles.ts';

/*
 * y = f(Aᵀ M A + bias) of the four parities of every tile and row (see `halving.ts`), woven into 8×8 outputs.
 */

const { patch } = TWO_TAPS;
const PRODUCTS = patch ** 2;
const COMPONENTS = 'xyzw';

/** Bindings: M, bias (any storage if there is none), output, sizes. @param spec of the data gradient */
export function weaveParities(spec: Correlation, tiles: WinogradTiles, chunk: Chunk): Kernel {
  const output = { name: 'winogradweave', filtering: TWO_TAPS, spec, body: body() };
  return tileOutput(output, tiles, chunk);
}

function body(): string[] {
  const parities = ['l', 'r'].map((name) => elementNames(name, TILE, TILE));
  const lines = ['for (var lower = 0u; lower < 2u; lower++) {'];
  lines.push(`let first = start + 2u * lower * ${PRODUCTS}u * sizes.pitch;`);
  lines.push(...parities.flatMap(zeros), 'for (var i = 0u; i < sizes.patchSize; i++) {');
  parities.forEach((names, right) => {
    const elements = indices(patch).map((y) => {
      const k = `${right * PRODUCTS + patch * y}u + i`;
      lines.push(`let m${right}_${y} = products[first + (${k}) * sizes.pitch];`);
      return `m${right}_${y}`;
    });
    const { lines: made, results } = TWO_TAPS.output(right ? 'right' : 'left', elements);
    lines.push(...made, '{', ...addContribution(names, results, 'i', 'y'), '}');
  });
  lines.push('}');
  const [left, right] = parities;
  const vectors = indices(4).flatMap((j) =>
    indices(TILE).flatMap((y) =>
      [0, 2].map((x) => {
        const woven = [left[y][x], right[y][x], left[y][x + 1], right[y][x + 1]];
        return `vec4f(${woven.map((name) => `${name}.${COMPONENTS[j]}`).join(', ')})`;
      }),
    ),
  );
  return [
    ...lines,
    '// Columns 4h … 4h + 3 of row 2y + lower of channel j at 8j + 2y + h.',
    `var outputs = array<vec4f, ${vectors.length}>(${vectors.join(', ')});`,
    // A loop whose bound the driver cannot see: unrolled, the stores would be most of the code.
    `let height = min(${2 * TILE}u, sizes.outHeight - ${2 * TILE}u * tileY);`,
    `let halves = min(2u, (sizes.outWidth - ${2 * TILE}u * tileX + 3u) / 4u);`,
    'for (var j = 0u; j < channels; j++) {',
    '  for (var y = lower; y < height; y += 2u) {',
    '    for (var h = 0u; h < halves; h++) {',
    `      let x = ${2 * TILE}u * tileX + 4u * h;`,
    `      store(item, 4u * quad + j, ${2 * TILE}u * tileY + y, x, outputs[8u * j + (y & 6u) + h]);`,
    '    }',
    '  }',
    '}',
    '}',
  ];
}
