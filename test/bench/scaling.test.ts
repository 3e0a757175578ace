/** Power laws, plots, and the orders of axes that peers need. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { fitPowerLaw } from '../../bench/measure/fit.ts';
import { logarithmicPlot, logarithmicTicks } from '../../bench/output/plot.ts';
import { type PeerResult, relativeError, requireEqual } from '../../bench/peers/job.ts';
import {
  HWIO_TO_OIHW,
  NCHW_TO_NHWC,
  NHWC_TO_NCHW,
  OIHW_TO_HWIO,
  transpose,
  transposedShape,
} from '../../bench/peers/layout.ts';
import { onnxConvolution } from '../../bench/peers/onnx-model.ts';
import { medianOfRounds } from '../../bench/peers/rounds.ts';

const suite = createSuite('scaling and peers');

suite('a power law is found again, and noise lowers R²', () => {
  const exact = fitPowerLaw([1, 2, 4, 8].map((x) => [x, 3 * x ** 1.5] as const));
  assert.ok(Math.abs(exact.exponent - 1.5) < 1e-12);
  assert.ok(Math.abs(exact.factor - 3) < 1e-12);
  assert.ok(Math.abs(exact.r2 - 1) < 1e-12);
  const noisy = fitPowerLaw([
    [1, 1],
    [2, 5],
    [4, 3],
  ]);
  assert.ok(noisy.r2 < 0.9);
  assert.equal(
    fitPowerLaw([
      [1, 7],
      [2, 7],
    ]),
    { factor: 7, exponent: 0, r2: 1 },
  );
});

suite('no law is fitted to one x, or to what has no logarithm', () => {
  assert.throws(() => fitPowerLaw([[2, 1]]), /two different/);
  assert.throws(
    () =>
      fitPowerLaw([
        [1, 0],
        [2, 1],
      ]),
    /positive/,
  );
});

suite('marks of a logarithmic axis', () => {
  assert.equal(logarithmicTicks(0.9, 25), [1, 2, 5, 10, 20]);
  assert.equal(logarithmicTicks(0.05, 0.2), [0.05, 0.1, 0.2]);
});

suite('a plot has a dot a point, the exponent, and no markup from its titles', () => {
  const svg = logarithmicPlot({
    title: 'time < memory & more',
    xTitle: 'batch',
    yTitle: 's',
    series: [
      {
        name: 'time',
        points: [
          [1, 2],
          [2, 4],
          [4, 8],
        ],
      },
    ],
  });
  assert.is(svg.match(/<circle/g)?.length, 3);
  assert.match(svg, 'x^1.00');
  assert.match(svg, 'time &lt; memory &amp; more');
  assert.not.match(svg, 'NaN');
});

suite('axes change order and come back', () => {
  const shape = [2, 3, 4, 5];
  const data = Float32Array.from({ length: 120 }, (_, i) => i);
  const nhwc = transpose(data, shape, NCHW_TO_NHWC);
  // Element [n,c,y,x] = [1,2,3,4] is the last of both; [0,1,0,0] is channel 1 of the first pixel.
  assert.is(nhwc[119], 119);
  assert.is(nhwc[1], 20);
  assert.equal(transpose(nhwc, transposedShape(shape, NCHW_TO_NHWC), NHWC_TO_NCHW), data);
  const hwio = transpose(data, shape, OIHW_TO_HWIO);
  assert.equal(transpose(hwio, transposedShape(shape, OIHW_TO_HWIO), HWIO_TO_OIHW), data);
});

suite('results that are not ours are refused', () => {
  assert.is(relativeError(Float32Array.of(1, 2), Float32Array.of(1, 2)), 0);
  assert.is(relativeError(Float32Array.of(1), Float32Array.of(1, 2)), Number.POSITIVE_INFINITY);
  assert.is(
    relativeError(Float32Array.of(Number.NaN), Float32Array.of(1)),
    Number.POSITIVE_INFINITY,
  );
  requireEqual('same', 1e-6, 1e-3);
  assert.throws(() => requireEqual('other', 0.1, 1e-3), /other: results differ from ours/);
  assert.throws(() => requireEqual('none', Number.NaN, 1e-3), /differ/);
});

suite('an ONNX model is well-formed protocol buffers', () => {
  const model = onnxConvolution({
    op: 'Conv',
    input: [1, 300, 8, 8],
    weight: [2, 300, 3, 3],
    output: [1, 2, 8, 8],
    stride: 1,
    padding: 1,
  });
  // Walks the outermost fields: ir_version, graph, opset_import, and nothing left over.
  const fields: number[] = [];
  let at = 0;
  const varint = (): number => {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = model[at++];
      value += (byte & 127) * factor;
      factor *= 128;
      if (byte < 128) return value;
    }
  };
  while (at < model.length) {
    const tag = varint();
    fields.push(tag >> 3);
    const value = varint();
    if ((tag & 7) === 2) at += value;
  }
  assert.is(at, model.length);
  assert.equal(fields, [1, 7, 8]);
});

suite('of several rounds the median counts, for every program alike', () => {
  const conv = (milliseconds: number, pass: 'forward' | 'data' = 'forward'): PeerResult => ({
    ...{ kind: 'convolution', shape: 'a', pass, milliseconds, wallMilliseconds: 2 * milliseconds },
    ...{ spread: 0, error: 0 },
  });
  const about: PeerResult = { kind: 'about', adapter: 'x', version: '1' };
  const late: PeerResult = { kind: 'failure', what: 'p', reason: 'late' };
  assert.equal(
    medianOfRounds([
      [about, conv(9), conv(4, 'data')],
      [about, conv(3), late],
      [about, conv(5), conv(2, 'data'), late],
    ]),
    [about, conv(5), conv(2, 'data'), late],
  );
  assert.equal(medianOfRounds([[about, conv(9)]]), [about, conv(9)]);
});

suite.run();
