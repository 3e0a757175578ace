/** Connected regions of a label map, and how those that are too small join a neighbour. Browser-safe. */

export interface MergeOptions {
  /** Fewest pixels of a region. */
  readonly smallest: number;
  /** Most regions. */
  readonly most: number;
}

/** Regions of a label map and which of them touch. */
class RegionGraph {
  /** Regions that are left. */
  count: number;
  private readonly parents: number[];
  private readonly sizes: number[];
  /** By region, how many pairs of pixels it shares with each neighbour. */
  private readonly borders: Map<number, number>[];

  constructor(pieces: Int32Array, width: number, sizes: number[]) {
    this.count = sizes.length;
    this.sizes = sizes;
    this.parents = sizes.map((_, region) => region);
    this.borders = sizes.map(() => new Map());
    for (let i = 0; i < pieces.length; i++) {
      if ((i + 1) % width !== 0) this.touch(pieces[i], pieces[i + 1]);
      if (i + width < pieces.length) this.touch(pieces[i], pieces[i + width]);
    }
  }

  /** The region that `region` is part of by now. */
  find(region: number): number {
    let root = region;
    while (this.parents[root] !== root) root = this.parents[root];
    for (let at = region; at !== root; ) {
      const next = this.parents[at];
      this.parents[at] = root;
      at = next;
    }
    return root;
  }

  sizeOf(region: number): number {
    return this.sizes[this.find(region)];
  }

  /** Joins a region to the neighbour with which it shares most border, the first of equals. */
  absorb(region: number): void {
    const own = this.find(region);
    let neighbour = -1;
    let longest = 0;
    for (const [other, length] of this.borders[own]) {
      if (length > longest || (length === longest && other < neighbour)) {
        neighbour = other;
        longest = length;
      }
    }
    this.parents[own] = neighbour;
    this.sizes[neighbour] += this.sizes[own];
    for (const [other, length] of this.borders[own]) {
      this.borders[other].delete(own);
      if (other === neighbour) continue;
      this.lengthen(other, neighbour, length);
      this.lengthen(neighbour, other, length);
    }
    this.borders[own] = new Map();
    this.count--;
  }

  private touch(a: number, b: number): void {
    if (a === b) return;
    this.lengthen(a, b, 1);
    this.lengthen(b, a, 1);
  }

  private lengthen(a: number, b: number, by: number): void {
    this.borders[a].set(b, (this.borders[a].get(b) ?? 0) + by);
  }
}

/** Numbers the connected pieces (by edges) of equal labels; tells their sizes. */
function piecesOf(labels: Uint16Array, width: number): { pieces: Int32Array; sizes: number[] } {
  const pieces = new Int32Array(labels.length).fill(-1);
  const sizes: number[] = [];
  const stack: number[] = [];
  for (let seed = 0; seed < labels.length; seed++) {
    if (pieces[seed] >= 0) continue;
    const piece = sizes.length;
    let size = 0;
    pieces[seed] = piece;
    stack.push(seed);
    for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
      size++;
      const column = i % width;
      const neighbours = [
        i - width,
        i + width,
        column > 0 ? i - 1 : -1,
        column + 1 < width ? i + 1 : -1,
      ];
      for (const next of neighbours) {
        if (next < 0 || next >= labels.length) continue;
        if (pieces[next] >= 0 || labels[next] !== labels[seed]) continue;
        pieces[next] = piece;
        stack.push(next);
      }
    }
    sizes.push(size);
  }
  return { pieces, sizes };
}

/**
 * Makes every region of a label map one connected piece of at least `smallest` pixels, and leaves at most
 * `most`: pieces join neighbours, the smallest first. The result's labels are 0, 1, … in the order in which they are
 * first met in reading order.
 */
export function mergeSmallRegions(
  labels: Uint16Array,
  width: number,
  height: number,
  { smallest, most }: MergeOptions,
): Uint16Array {
  const { pieces, sizes } = piecesOf(labels.subarray(0, width * height), width);
  const graph = new RegionGraph(pieces, width, sizes.slice());
  const bySize = sizes.map((_, piece) => piece).sort((a, b) => sizes[a] - sizes[b] || a - b);
  for (const piece of bySize) {
    while (graph.count > 1 && graph.sizeOf(piece) < smallest) graph.absorb(piece);
  }
  while (graph.count > Math.max(1, most)) {
    const roots = new Set(bySize.map((piece) => graph.find(piece)));
    graph.absorb([...roots].reduce((a, b) => (graph.sizeOf(b) < graph.sizeOf(a) ? b : a)));
  }
  const numbers = new Map<number, number>();
  return Uint16Array.from(pieces, (piece) => {
    const root = graph.find(piece);
    const known = numbers.get(root);
    if (known !== undefined) return known;
    numbers.set(root, numbers.size);
    return numbers.size - 1;
  });
}
