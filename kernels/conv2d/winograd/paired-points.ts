import { defined, type Filtering, indices } from './filtering.ts';

/*
 * Minimal filtering from points ±p₁, ±p₂, … and ∞, for an even number of taps r:
 *
 *   F(4×4, 2×2) from ±1/2, ±5/4:      25 products instead of 64
 *   F(4×4, 4×4) from ±1/2, ±1, ±2:    49 products instead of 256
 *
 * The point 0, which is usual, is left out: pairs alone halve the rounding error, and the two rows of a pair
 * share their even and odd parts. Powers of these points are exact in f32. With N = 2p·Π(p²-q²) over the
 * other pairs q, and c the coefficients of Π(x²-q²), the rows of the pair ±p are
 *
 *   Bᵀ   Σ c_k d[2k+1]  ±  p Σ c_k d[2k]
 *   G    ± (Σ p^j g[j], j even)/N  +  (Σ p^j g[j], j odd)/N
 *   A    (y₀ + p² y₂)  ±  p (y₁ + p² y₃)
 *
 * and those of ∞: Σ c_k d[2k] with c of all pairs, g[r-1], y₃.
 */

interface Pair {
  readonly point: number;
  /** c_0, c_1, …, 1. */
  readonly coefficients: readonly number[];
  /** 1/N. */
  readonly scale: number;
}

/** Coefficients of Π(z - root), from the constant on. */
function polynomial(roots: readonly number[]): number[] {
  let product = [1];
  for (const root of roots) {
    product = [...product, 0].map((_, i) => (product[i - 1] ?? 0) - root * (product[i] ?? 0));
  }
  return product;
}

/** WGSL of Σ factor·expression; what is 0 is left out. */
function combine(terms: readonly (readonly [factor: number, expression: string])[]): string {
  const parts = terms.filter(([factor]) => factor !== 0);
  return parts
    .map(([factor, expression]) => (factor === 1 ? expression : `f32(${factor}) * ${expression}`))
    .join(' + ');
}

function pairedFiltering(taps: 2 | 4, points: readonly number[]): Filtering {
  const squares = points.map((point) => point * point);
  const pairs = points.map((point, index): Pair => {
    const others = squares.filter((_, other) => other !== index);
    const product = others.reduce((value, square) => value * (squares[index] - square), 1);
    return { point, coefficients: polynomial(others), scale: 1 / (2 * point * product) };
  });
  const whole = polynomial(squares);
  const patch = 2 * points.length + 1;
  const powers = (point: number, count: number): number[] => indices(count).map((i) => point ** i);
  const signed = pairs.flatMap((pair) => [1, -1].map((sign) => ({ ...pair, sign })));
  /** A row for each point: `even` and `odd` give the parts of a pair, named and defined first. */
  const rows = (
    name: string,
    even: (pair: Pair) => string,
    odd: (pair: Pair) => string,
    minus: (even: string, odd: string) => string,
    last: string,
  ) =>
    defined(
      name,
      pairs.flatMap((pair, i) => [
        `let ${name}e${i} = ${even(pair)};`,
        `let ${name}o${i} = ${odd(pair)};`,
      ]),
      [
        ...pairs.flatMap((_, i) => [
          `${name}e${i} + ${name}o${i}`,
          minus(`${name}e${i}`, `${name}o${i}`),
        ]),
        last,
      ],
    );
  const columns = (name: string, u: readonly string[]): string[] => [
    ...pairs.flatMap((_, i) => [
      `let ${name}p${i} = ${u[2 * i]} + ${u[2 * i + 1]};`,
      `let ${name}m${i} = ${u[2 * i]} - ${u[2 * i + 1]};`,
    ]),
  ];
  return {
    taps,
    patch,
    inputMatrix: [
      ...signed.map(({ point, coefficients, sign }) => {
        const row = new Array<number>(patch).fill(0);
        coefficients.forEach((c, k) => {
          row[2 * k] = sign * point * c;
          row[2 * k + 1] = c;
        });
        return row;
      }),
      indices(patch).map((i) => (i % 2 ? 0 : whole[i / 2])),
    ],
    weightMatrix: [
      ...signed.map(({ point, scale, sign }) =>
        powers(sign * point, taps).map((power) => sign * scale * power),
      ),
      indices(taps).map((i) => (i === taps - 1 ? 1 : 0)),
    ],
    outputMatrix: indices(4).map((i) => [
      ...signed.map(({ point, sign }) => (sign * point) ** i),
      i === 3 ? 1 : 0,
    ]),
    input: (name, x) =>
      rows(
        name,
        ({ coefficients }) => combine(coefficients.map((c, k) => [c, x[2 * k + 1]])),
        ({ point, coefficients }) => combine(coefficients.map((c, k) => [point * c, x[2 * k]])),
        (even, odd) => `${even} - ${odd}`,
        combine(whole.map((c, k) => [c, x[2 * k]])),
      ),
    weights: (name, g) => {
      const part = (parity: number) => (pair: Pair) =>
        combine(
          powers(pair.point, taps)
            .map((power, j) => [pair.scale * power, g[j]] as const)
            .filter((_, j) => j % 2 === parity),
        );
      return rows(name, part(0), part(1), (even, odd) => `${odd} - ${even}`, g[taps - 1]);
    },
    output: (name, m) => {
      const sum = (power: number): string =>
        combine(
          pairs.map(({ point }, i) => [point ** power, `${name}${power % 2 ? 'm' : 'p'}${i}`]),
        );
      return defined(name, columns(name, m), [
        sum(0),
        sum(1),
        sum(2),
        `${sum(3)} + ${m[patch - 1]}`,
      ]);
    },
    cotangent: (name, y) =>
      rows(
        name,
        ({ point }) =>
          combine([
            [1, y[0]],
            [point ** 2, y[2]],
          ] as const),
        ({ point }) =>
          combine([
            [point, y[1]],
            [point ** 3, y[3]],
          ] as const),
        (even, odd) => `${even} - ${odd}`,
        y[3],
      ),
    weightCotangent: (name, u) =>
      defined(
        name,
        columns(name, u),
        indices(taps).map((j) => {
          const sum = combine(
            pairs.map(({ point, scale }, i) => [
              scale * point ** j,
              `${name}${j % 2 ? 'p' : 'm'}${i}`,
            ]),
          );
          return j === taps - 1 ? `${sum} + ${u[patch - 1]}` : sum;
        }),
      ),
  };
}

export const TWO_TAPS = pairedFiltering(2, [1 / 2, 5 / 4]);
export const FOUR_TAPS = pairedFiltering(4, [1 / 2, 1, 2]);
