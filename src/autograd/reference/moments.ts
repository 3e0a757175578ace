import type { MomentMap } from '../../../kernels/moments.ts';
import { type HostArray, hostArray } from '../registry/row.ts';

/** (a, b, a², b², ab) as five channels. */
export function productsOfPairForward(a: HostArray, b: HostArray): HostArray {
  const [batch, , height, width] = a.shape;
  const pixels = height * width;
  const stack = hostArray([batch, 5, height, width]);
  a.data.forEach((x, i) => {
    const y = b.data[i];
    const start = Math.floor(i / pixels) * 5 * pixels + (i % pixels);
    [x, y, x * x, y * y, x * y].forEach((value, channel) => {
      stack.data[start + channel * pixels] = value;
    });
  });
  return stack;
}

/** Gradients of both images. */
export function productsOfPairBackward(
  a: HostArray,
  b: HostArray,
  dy: HostArray,
): [HostArray, HostArray] {
  const [, , height, width] = a.shape;
  const pixels = height * width;
  const da = hostArray(a.shape);
  const db = hostArray(b.shape);
  a.data.forEach((x, i) => {
    const y = b.data[i];
    const start = Math.floor(i / pixels) * 5 * pixels + (i % pixels);
    const g = [0, 1, 2, 3, 4].map((channel) => dy.data[start + channel * pixels]);
    da.data[i] = g[0] + 2 * x * g[2] + y * g[4];
    db.data[i] = g[1] + 2 * y * g[3] + x * g[4];
  });
  return [da, db];
}

/** Value of a map and its derivatives by means, variances and covariance. */
interface MapPoint {
  readonly value: number;
  readonly dma: number;
  readonly dmb: number;
  readonly dva: number;
  readonly dvb: number;
  readonly dc: number;
}

function evaluate(
  map: MomentMap,
  ma: number,
  mb: number,
  va: number,
  vb: number,
  c: number,
): MapPoint {
  const still = { dma: 0, dmb: 0 };
  switch (map.kind) {
    case 'ssim': {
      const { momentScale: k, c1, c2, clampVariance } = map;
      const cutA = clampVariance && va < 0;
      const cutB = clampVariance && vb < 0;
      const luminance = (2 * ma * mb + c1) / (ma ** 2 + mb ** 2 + c1);
      const spread = k * ((cutA ? 0 : va) + (cutB ? 0 : vb)) + c2;
      const structure = (2 * k * c + c2) / spread;
      const sum = ma ** 2 + mb ** 2 + c1;
      const dv = (-luminance * structure * k) / spread;
      return {
        value: luminance * structure,
        dma: (structure * (2 * mb - luminance * 2 * ma)) / sum,
        dmb: (structure * (2 * ma - luminance * 2 * mb)) / sum,
        dva: cutA ? 0 : dv,
        dvb: cutB ? 0 : dv,
        dc: (luminance * 2 * k) / spread,
      };
    }
    case 'correlation': {
      const product = Math.max(va, 0) * Math.max(vb, 0);
      const root = Math.sqrt(product);
      const value = c / (root + map.epsilon);
      const byProduct = product === 0 ? 0 : -c / (root + map.epsilon) ** 2 / (2 * root);
      return {
        ...still,
        value,
        dva: byProduct * vb,
        dvb: byProduct * va,
        dc: 1 / (root + map.epsilon),
      };
    }
    case 'squared': {
      const { area, epsilon } = map;
      const product = area ** 2 * va * vb + epsilon;
      const cross = (area * c) ** 2;
      return {
        ...still,
        value: cross / product,
        dva: (-cross / product ** 2) * area ** 2 * vb,
        dvb: (-cross / product ** 2) * area ** 2 * va,
        dc: (2 * area ** 2 * c) / product,
      };
    }
    case 'floored': {
      const { area, epsilon } = map;
      const sa = Math.max(area * va, epsilon);
      const sb = Math.max(area * vb, epsilon);
      const cross = (area * c) ** 2;
      return {
        ...still,
        value: cross / (sa * sb),
        dva: area * va > epsilon ? (-cross * area) / (sa ** 2 * sb) : 0,
        dvb: area * vb > epsilon ? (-cross * area) / (sb ** 2 * sa) : 0,
        dc: (2 * area ** 2 * c) / (sa * sb),
      };
    }
  }
}

/** Calls `visit` with the map at every window, the mean scale, and where its moments are. */
function eachWindow(
  moments: HostArray,
  map: MomentMap,
  visit: (
    point: MapPoint,
    means: readonly [number, number],
    at: (channel: number) => number,
    window: number,
  ) => void,
): void {
  const [batch, , height, width] = moments.shape;
  const pixels = height * width;
  const scale = map.kind === 'correlation' ? map.meanScale : 1;
  for (let window = 0; window < batch * pixels; window++) {
    const start = Math.floor(window / pixels) * 5 * pixels + (window % pixels);
    const at = (channel: number): number => start + channel * pixels;
    const [ea, eb, eaa, ebb, eab] = [0, 1, 2, 3, 4].map((channel) => moments.data[at(channel)]);
    const ma = scale * ea;
    const mb = scale * eb;
    const point = evaluate(map, ma, mb, eaa - ma ** 2, ebb - mb ** 2, eab - ma * mb);
    visit(point, [ma, mb], at, window);
  }
}

/** A similarity map in double precision. */
export function momentMapReference(moments: HostArray, map: MomentMap): HostArray {
  const [batch, , height, width] = moments.shape;
  const y = hostArray([batch, 1, height, width]);
  eachWindow(moments, map, ({ value }, _means, _at, window) => {
    y.data[window] = value;
  });
  return y;
}

/** Gradient of the five moments, by the chain rule through means, variances and covariance. */
export function momentMapBackward(moments: HostArray, map: MomentMap, dy: HostArray): HostArray {
  const gradient = hostArray(moments.shape);
  const scale = map.kind === 'correlation' ? map.meanScale : 1;
  eachWindow(moments, map, ({ dma, dmb, dva, dvb, dc }, [ma, mb], at, window) => {
    const g = dy.data[window];
    const slopes = [
      scale * (dma - 2 * ma * dva - mb * dc),
      scale * (dmb - 2 * mb * dvb - ma * dc),
      dva,
      dvb,
      dc,
    ];
    slopes.forEach((slope, channel) => {
      gradient.data[at(channel)] = g * slope;
    });
  });
  return gradient;
}
