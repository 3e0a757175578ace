import { suite as createSuite } from 'uvu';
import { type ConvolutionCase, convolutionRows } from '../../src/autograd/registry/convolution.ts';
import { openAsGpu } from '../support/gpu-variants.ts';
import { testKernels } from './check-rows.ts';

/* What GPUs have for few channels, against the f64 references; more in `ops-conv-gpu-few.slow.test.ts`. */

const CONVOLUTIONS: readonly ConvolutionCase[] = [
  // A row for each tap, planes of whole vec4s; windows of three taps back; exchanged weight gradient.
  {
    image: [2, 32, 6, 6],
    kernel: [1, 3, 3],
    padding: 1,
    bias: true,
    activation: { kind: 'tanh' },
  },
  // The same with reflection, ragged planes, and windows of four taps back.
  { image: [1, 33, 5, 7], kernel: [1, 4, 4], padding: 1, paddingMode: 'reflect' },
  // First layers: windows of stride 2 within channels, and strips of dy in several workgroups and segments.
  { image: [1, 1, 26, 200], kernel: [17, 3, 3], stride: 2, padding: 1, bias: true },
];

const suite = createSuite('few channels on GPUs');
const gpu = await openAsGpu();
suite.after(() => gpu.close());

testKernels(suite, gpu, convolutionRows(CONVOLUTIONS, []));

suite.run();
