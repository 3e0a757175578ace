import { fitPowerLaw, type PowerLaw } from '../measure/fit.ts';
import { significant } from './table.ts';

/** Points to draw, with the power law fitted to them. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Default: fitted to the points. */
  readonly law?: PowerLaw;
}

export interface Plot {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly series: readonly Series[];
}

const WIDTH = 560;
const HEIGHT = 380;
const MARGIN = { left: 72, right: 20, top: 40, bottom: 56 };
/** Okabe and Ito's colours, which colour-blind readers can tell apart. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7'];

/** Marks of a logarithmic axis within a range: 1, 2, 5, 10, 20, … */
export function logarithmicTicks(least: number, most: number): number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++) {
    for (const digit of [1, 2, 5]) {
      const tick = digit * 10 ** power;
      if (tick >= least * 0.999 && tick <= most * 1.001) ticks.push(tick);
    }
  }
  return ticks;
}

const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Large tick labels shortened: 65536 as 65.5k. */
function tickText(value: number): string {
  for (const [unit, letter] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (value >= unit) return `${Number((value / unit).toPrecision(3))}${letter}`;
  }
  return String(Number(value.toPrecision(3)));
}

/** A plot with two logarithmic axes as an SVG document; power laws are straight lines. */
export function logarithmicPlot({ title, xTitle, yTitle, series }: Plot): string {
  const all = series.flatMap(({ points }) => points);
  const range = (axis: 0 | 1): [number, number] => {
    const values = all.map((point) => point[axis]);
    return [Math.min(...values) / 1.25, Math.max(...values) * 1.25];
  };
  const [xRange, yRange] = [range(0), range(1)];
  const scale = (
    value: number,
    [least, most]: [number, number],
    from: number,
    to: number,
  ): number =>
    from + ((Math.log(value) - Math.log(least)) / (Math.log(most) - Math.log(least))) * (to - from);
  const right = WIDTH - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const x = (value: number): string => scale(value, xRange, MARGIN.left, right).toFixed(1);
  const y = (value: number): string => scale(value, yRange, bottom, MARGIN.top).toFixed(1);
  const parts: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${escapeText(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${WIDTH / 2}" y="22" text-anchor="middle" font-size="15">${escapeText(title)}</text>`,
    `<text x="${(MARGIN.left + right) / 2}" y="${HEIGHT - 12}" text-anchor="middle">${escapeText(xTitle)}</text>`,
    `<text transform="translate(16 ${(MARGIN.top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeText(yTitle)}</text>`,
  ];
  for (const tick of logarithmicTicks(...xRange)) {
    parts.push(
      `<path d="M${x(tick)} ${MARGIN.top}V${bottom}" stroke="#ddd"/>`,
      `<text x="${x(tick)}" y="${bottom + 16}" text-anchor="middle">${tickText(tick)}</text>`,
    );
  }
  for (const tick of logarithmicTicks(...yRange)) {
    parts.push(
      `<path d="M${MARGIN.left} ${y(tick)}H${right}" stroke="#ddd"/>`,
      `<text x="${MARGIN.left - 6}" y="${y(tick)}" dy="4" text-anchor="end">${tickText(tick)}</text>`,
    );
  }
  parts.push(
    `<rect x="${MARGIN.left}" y="${MARGIN.top}" width="${right - MARGIN.left}" height="${bottom - MARGIN.top}" fill="none" stroke="#555"/>`,
  );
  series.forEach(({ name, points, law = fitPowerLaw(points) }, index) => {
    const colour = COLOURS[index % COLOURS.length];
    const ends = [Math.min(...points.map(([at]) => at)), Math.max(...points.map(([at]) => at))];
    const value = (at: number): number => law.factor * at ** law.exponent;
    parts.push(
      `<path d="M${x(ends[0])} ${y(value(ends[0]))}L${x(ends[1])} ${y(value(ends[1]))}" stroke="${colour}" stroke-dasharray="5 4" fill="none"/>`,
      ...points.map(([px, py]) => `<circle cx="${x(px)}" cy="${y(py)}" r="4" fill="${colour}"/>`),
      `<text x="${MARGIN.left + 10}" y="${MARGIN.top + 18 + 18 * index}" fill="${colour}">${escapeText(`${name} ∝ x^${significant(law.exponent)}`)}</text>`,
    );
  });
  parts.push('</svg>');
  return `${parts.join('\n')}\n`;
}
