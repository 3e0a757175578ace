import { suite as createSuite } from 'uvu';
import { type ConvolutionCase, convolutionRows } from '../../src/autograd/registry/convolution.ts';
import { openAsGpu } from '../support/gpu-variants.ts';
import { testKernels } from './check-rows.ts';

/* What GPUs have for few output channels, and for few input channels, against the f64 references. */

const CONVOLUTIONS: readonly ConvolutionCase[] = [
  // A row for each tap in the data gradient: parities, folded margins, taps that no parity has.
  { image: [2, 2, 8, 8], kernel: [32, 4, 4], stride: 2, padding: 1, paddingMode: 'reflect' },
  { image: [1, 3, 9, 7], kernel: [40, 3, 3], stride: 2 },
  // Windows of three taps: rows of 16, ragged groups of columns, sums in parts, reflection.
  { image: [2, 48, 5, 7], kernel: [20, 3, 3], padding: 1, bias: true },
  { image: [2, 5, 6, 7], kernel: [18, 3, 3], padding: 1, paddingMode: 'reflect', bias: true },
  // Windows of four and more taps, of stride 2, stored as vec4s or not, and within channels.
  { image: [2, 5, 9, 16], kernel: [33, 4, 4], padding: 1, stride: 2, bias: true },
  { image: [1, 3, 9, 14], kernel: [20, 4, 4], padding: 2, paddingMode: 'reflect' },
  { image: [2, 1, 8, 8], kernel: [20, 4, 4], padding: 1, stride: 2, paddingMode: 'reflect' },
  // Narrow tiles without windows: 32 rows, three times 16, and parities.
  { image: [2, 48, 9, 11], kernel: [20, 4, 4], padding: 1, stride: 3, bias: true },
  { image: [1, 4, 6, 7], kernel: [12, 2, 2], stride: 2, padding: 1 },
  { image: [1, 1, 7, 9], kernel: [17, 7, 7], padding: 3, paddingMode: 'reflect', bias: true },
  // Narrow tiles that load and store vec4s.
  { image: [2, 18, 4, 6], kernel: [12, 1, 1], bias: true, activation: { kind: 'relu' } },
  // Weight gradients by strips: whole and ragged rows and ends, reflection, single taps; too many taps for them.
  { image: [2, 1, 9, 8], kernel: [70, 4, 4], stride: 2, padding: 1 },
  { image: [2, 3, 7, 6], kernel: [5, 3, 3], padding: 1, paddingMode: 'reflect' },
  { image: [1, 2, 28, 270], kernel: [9, 3, 4], padding: 2 },
  { image: [2, 2, 5, 6], kernel: [9, 1, 1], stride: 2 },
  { image: [1, 2, 6, 6], kernel: [3, 5, 5] },
  // Weight gradients with the roles of x and dy exchanged: two channels, much and no padding.
  { image: [2, 8, 5, 6], kernel: [2, 3, 3] },
  { image: [1, 9, 4, 4], kernel: [1, 3, 3], padding: 2 },
  // More taps along an axis than tables have.
  { image: [1, 3, 10, 11], kernel: [64, 9, 9], padding: 4, stride: 2 },
];

const TRANSPOSED: readonly ConvolutionCase[] = [
  { image: [2, 20, 4, 6], kernel: [1, 4, 4], stride: 2, padding: 1, bias: true },
];

const suite = createSuite('few channels on GPUs, all kernels');
const gpu = await openAsGpu();
suite.after(() => gpu.close());

testKernels(suite, gpu, convolutionRows(CONVOLUTIONS, TRANSPOSED));

suite.run();
