import type { CorrelationTiles } from './correlation-spec.ts';

/*
 * How a correlation (`correlation.ts`) comes by its weights: packed, or from their tensor as it stands.
 */

/**
 * Where a correlation finds the vec4 of weights of (parity, row, channel block, t) in the weight
 * tensor: its vector i is at base[parity] + row·row + (vectorsPerRow·block + i)·channel + t·tap, counted
 * in vec4s.
 */
export interface DirectWeights {
  readonly bases: readonly number[];
  readonly row: number;
  readonly channel: number;
  readonly tap: number;
  /** Component of the vec4 that holds its k-th weight (of taps b, u, or channels). */
  readonly components: readonly number[];
}

/**
 * WGSL of where the lane's weights start: `channelWeights`, which moves on with every block of channels, and for each
 * vec4 that the lane loads in a step the distance from there, `rowFrom…`.
 */
export function weightStarts(
  { rowsPerLane, vectorsPerRow }: CorrelationTiles,
  lanes: number,
  direct: DirectWeights | undefined,
): string[] {
  const lines: string[] = [];
  if (direct) {
    lines.push('var channelWeights = sizes.weightBase[parity];');
    for (let i = 0; i < (lanes ? Math.ceil(rowsPerLane / lanes) : rowsPerLane); i++) {
      const row = lanes ? `${i * lanes}u + lane % ${rowsPerLane}u` : `${i}u`;
      lines.push(
        `let rowFrom${i} = min(block * ${rowsPerLane}u + ${row}, sizes.rows - 1u) * sizes.weightRow;`,
      );
    }
    return lines;
  }
  const vectors = rowsPerLane * vectorsPerRow;
  lines.push(
    `var channelWeights = sizes.weightBase[parity] + block * sizes.channelSteps * sizes.taps * ${vectors}u;`,
  );
  for (let i = 0; i < (lanes ? Math.ceil(vectors / lanes) : vectors); i++) {
    lines.push(`let rowFrom${i} = ${lanes ? `${i * lanes}u + lane` : `${i}u`};`);
  }
  return lines;
}

/** WGSL that loads a step's weights, which start at `weight`, and of vector i of row r. */
export function weightLoads(
  { rowsPerLane, vectorsPerRow }: CorrelationTiles,
  lanes: number,
  direct: DirectWeights | undefined,
): { readonly loads: string[]; readonly vector: (r: number, i: number) => string } {
  const fetch = (part: number, i: number): string => {
    const offset = direct && i > 0 ? ` + ${i}u * sizes.weightVector` : '';
    return `weights[weight + rowFrom${part}${offset}]`;
  };
  if (!direct) {
    const vectors = rowsPerLane * vectorsPerRow;
    const parts = lanes ? Math.ceil(vectors / lanes) : 0;
    return {
      loads: Array.from({ length: parts }, (_, part) => `let held${part} = ${fetch(part, 0)};`),
      vector: (r, i) => {
        const k = r * vectorsPerRow + i;
        return lanes
          ? `subgroupBroadcast(held${Math.floor(k / lanes)}, ${k % lanes}u)`
          : fetch(k, 0);
      },
    };
  }
  const loads: string[] = [];
  for (let i = 0; i < vectorsPerRow; i++) {
    for (let part = 0; part < (lanes ? Math.ceil(rowsPerLane / lanes) : 0); part++) {
      loads.push(`let held${part}_${i} = ${fetch(part, i)};`);
    }
  }
  return {
    loads,
    vector: (r, i) =>
      lanes ? `subgroupBroadcast(held${Math.floor(r / lanes)}_${i}, ${r % lanes}u)` : fetch(r, i),
  };
}
