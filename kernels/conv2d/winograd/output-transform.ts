import type { Kernel } from '../../kernel.ts';
import type { Correlation } from '../correlation-spec.ts';
import {
  addContribution,
  elementNames,
  type Filtering,
  indices,
  TILE,
  zeros,
} from './filtering.ts';
import { tileOutput } from './tile-output.ts';
import type { Chunk, WinogradTiles } from './tiles.ts';

/* y = f(Aᵀ M A + bias) for every tile and row, M in the order of `tiles.ts`. */

const COMPONENTS = 'xyzw';

/** Bindings: M, bias (any storage if there is none), output, sizes. */
export function transformWinogradOutput(
  spec: Correlation,
  filtering: Filtering,
  tiles: WinogradTiles,
  chunk: Chunk,
): Kernel {
  const name = `winogradoutput${filtering.taps}`;
  return tileOutput({ name, filtering, spec, body: body(filtering) }, tiles, chunk);
}

function body(filtering: Filtering): string[] {
  const names = elementNames('y', TILE, TILE);
  const lines = zeros(names);
  lines.push('for (var i = 0u; i < sizes.patchSize; i++) {');
  const elements = indices(filtering.patch).map((y) => {
    lines.push(`let m${y} = products[start + (${filtering.patch * y}u + i) * sizes.pitch];`);
    return `m${y}`;
  });
  const { lines: made, results } = filtering.output('column', elements);
  lines.push(...made);
  lines.push(...addContribution(names, results, 'i', 'y'), '}');
  const vectors = indices(4).flatMap((j) =>
    names.map((row) => `vec4f(${row.map((name) => `${name}.${COMPONENTS[j]}`).join(', ')})`),
  );
  return [
    ...lines,
    `// Row y of channel j of the four at ${TILE}j + y.`,
    `var outputs = array<vec4f, ${vectors.length}>(${vectors.join(', ')});`,
    // A loop whose bound the driver cannot see: unrolled, the stores would be most of the code.
    `let height = min(${TILE}u, sizes.outHeight - ${TILE}u * tileY);`,
    'for (var j = 0u; j < channels; j++) {',
    '  for (var y = 0u; y < height; y++) {',
    `    store(item, 4u * quad + j, ${TILE}u * tileY + y, ${TILE}u * tileX, outputs[j * ${TILE}u + y]);`,
    '  }',
    '}',
  ];
}
