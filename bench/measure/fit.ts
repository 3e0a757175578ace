/** y = factor · x^exponent, fitted to points by least squares of the logarithms. */
export interface PowerLaw {
  readonly factor: number;
  readonly exponent: number;
  /** Share of the logarithms' variance that the law explains; 1 is a perfect fit. */
  readonly r2: number;
}

/**
 * Fits a power law.
 * @throws RangeError of fewer than two different x, or of numbers that are not positive
 */
export function fitPowerLaw(points: readonly (readonly [x: number, y: number])[]): PowerLaw {
  if (points.some(([x, y]) => !(x > 0 && y > 0))) {
    throw new RangeError('a power law is fitted to positive numbers only');
  }
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const count = logs.length;
  const meanX = logs.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = logs.reduce((sum, [, y]) => sum + y, 0) / count;
  let [xx, xy, yy] = [0, 0, 0];
  for (const [x, y] of logs) {
    xx += (x - meanX) ** 2;
    xy += (x - meanX) * (y - meanY);
    yy += (y - meanY) ** 2;
  }
  if (!(xx > 0)) throw new RangeError('a power law needs two different x');
  const exponent = xy / xx;
  return {
    factor: Math.exp(meanY - exponent * meanX),
    exponent,
    r2: yy === 0 ? 1 : (xy * xy) / (xx * yy),
  };
}
