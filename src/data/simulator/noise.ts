/** Smooth random fields for tissue texture and motion. */
import type { RandomStream } from '../../autograd/philox.ts';

const TABLE_SIZE = 256;

function fade(t: number): number {
  return t * t * t * (t * (6 * t - 15) + 10);
}

/**
 * Two-dimensional gradient noise (Perlin 2002: quintic fade, unit gradients on the integer lattice):
 * continuous with two continuous derivatives, mean 0, roughly in [-1, 1], features one unit wide,
 * repeating after 256 units.
 */
export class GradientNoise {
  readonly #permutation: Uint8Array;
  readonly #gradients: Float64Array;

  constructor(random: RandomStream) {
    const order = Array.from({ length: TABLE_SIZE }, (_, i) => i);
    this.#permutation = Uint8Array.from(random.shuffle(order));
    this.#gradients = new Float64Array(2 * TABLE_SIZE);
    for (let i = 0; i < TABLE_SIZE; i++) {
      const angle = 2 * Math.PI * random.uniform();
      this.#gradients[2 * i] = Math.cos(angle);
      this.#gradients[2 * i + 1] = Math.sin(angle);
    }
  }

  #corner(column: number, row: number, dx: number, dy: number): number {
    const hashed = this.#permutation[column & 255] as number;
    const index = this.#permutation[(hashed + row) & 255] as number;
    return (
      (this.#gradients[2 * index] as number) * dx + (this.#gradients[2 * index + 1] as number) * dy
    );
  }

  /** The field at a point. */
  at(x: number, y: number): number {
    const column = Math.floor(x);
    const row = Math.floor(y);
    const dx = x - column;
    const dy = y - row;
    const wx = fade(dx);
    const top =
      (1 - wx) * this.#corner(column, row, dx, dy) + wx * this.#corner(column + 1, row, dx - 1, dy);
    const bottom =
      (1 - wx) * this.#corner(column, row + 1, dx, dy - 1) +
      wx * this.#corner(column + 1, row + 1, dx - 1, dy - 1);
    // Unit gradients reach at most 1/sqrt(2); scale to about [-1, 1].
    return Math.SQRT2 * (top + fade(dy) * (bottom - top));
  }

  /** Three octaves, each twice as fine and half as strong. */
  fractal(x: number, y: number): number {
    return (
      (this.at(x, y) + 0.5 * this.at(2 * x + 17.3, 2 * y + 5.1) + 0.25 * this.at(4 * x, 4 * y)) /
      1.75
    );
  }
}

/** 0 below `from`, 1 above `to`, smooth between. */
export function smoothStep(from: number, to: number, value: number): number {
  const t = Math.min(1, Math.max(0, (value - from) / (to - from)));
  return t * t * (3 - 2 * t);
}
