import { type Activation, activationKey, NONE } from '../../kernels/activation.ts';
import {
  instanceNormBackward,
  instanceNormForward,
  isOutputSaved,
} from '../../kernels/instance-norm.ts';
import { spectralNormForward } from '../../kernels/spectral-norm.ts';
import { spectralNormBackward } from '../../kernels/spectral-norm-gradient.ts';
import { packLayers } from '../../kernels/spectral-norm-layout.ts';
import {
  instanceNormGradientReference,
  instanceNormReference,
} from '../../src/autograd/reference/instance-norm.ts';
import {
  powerIteration,
  spectralNormalizeBackward,
  spectralNormalizeForward,
} from '../../src/autograd/reference/spectral-normalize.ts';
import { hostArray } from '../../src/autograd/registry/row.ts';
import { inRows } from '../measure/roof.ts';
import { Comparator, type KernelCase, noise, singleKernel, spreadOut } from './kernel-case.ts';

const EPSILON = 1e-5;
const LEAKY: Activation = { kind: 'leaky_relu', slope: 0.2 };
const RELU: Activation = { kind: 'relu' };

/** Elements that a check of planes goes over. */
const BUDGET = 2e6;

function somePlanes(planes: number, pixels: number): number[] {
  return spreadOut(planes, Math.max(1, Math.floor(BUDGET / pixels)));
}

interface NormShape {
  readonly channels: number;
  readonly size: number;
  readonly activation: Activation;
}

/** Instance norm of the U-Net's levels, and of a residual generator. */
const NORMS: readonly NormShape[] = [
  { channels: 128, size: 64, activation: LEAKY },
  { channels: 256, size: 32, activation: LEAKY },
  { channels: 512, size: 8, activation: LEAKY },
  { channels: 64, size: 128, activation: RELU },
  { channels: 256, size: 64, activation: NONE },
];

function instanceNormCases({ channels, size, activation }: NormShape, batch: number): KernelCase[] {
  const [planes, pixels] = [batch * channels, size * size];
  const spec = { planes, pixels, epsilon: EPSILON, activation };
  const attributes = { epsilon: EPSILON, activation };
  const name = `${channels}@${size} ${activationKey(activation)} b${batch}`;
  const shape = `${batch}×${channels} @${size}×${size} ${activation.kind}`;
  const planeOf = (data: Float32Array, plane: number) =>
    hostArray([1, 1, 1, pixels], data.subarray(plane * pixels, (plane + 1) * pixels));
  return [
    {
      name: `instance-norm forward ${name}`,
      shape,
      // Read once, written once: what a fused pass that keeps the plane at hand would need.
      bytes: 2 * planes * pixels * 4,
      // x for the statistics; x again, and y.
      passBytes: 3 * planes * pixels * 4,
      // Read for the statistics and again: in registers no plane stays.
      accesses: {
        loads: inRows(2 * planes * pixels, pixels),
        stores: inRows(planes * pixels, pixels),
      },
      prepare(profile) {
        const x = noise(planes * pixels, 1);
        return {
          plan: singleKernel(instanceNormForward(spec, profile), 1),
          inputs: [x],
          outputs: [planes * pixels, planes * 2],
          check: ([y]) => {
            const comparator = new Comparator();
            for (const plane of somePlanes(planes, pixels)) {
              const expected = instanceNormReference(planeOf(x, plane), attributes);
              comparator.add(y, plane * pixels, expected.data);
            }
            return comparator.result(1e-4);
          },
        };
      },
    },
    {
      name: `instance-norm backward ${name}`,
      shape,
      bytes: 3 * planes * pixels * 4,
      // x and dy for the sums; both again, and dx.
      passBytes: 5 * planes * pixels * 4,
      accesses: {
        loads: inRows(4 * planes * pixels, pixels),
        stores: inRows(planes * pixels, pixels),
      },
      prepare(profile) {
        const [x, dy] = [noise(planes * pixels, 1), noise(planes * pixels, 2)];
        const forward = singleKernel(instanceNormForward(spec, profile), 1).steps[0];
        const backward = instanceNormBackward(spec, profile);
        return {
          // Both kernels run; only the backward one is timed.
          setUp: {
            temporaries: [],
            steps: [
              {
                kernel: forward.kernel,
                operands: [{ input: 1 }, { output: 1 }, { output: 2 }],
              },
            ],
          },
          plan: {
            temporaries: [],
            steps: [
              {
                kernel: backward,
                operands: [
                  { input: 0 },
                  isOutputSaved(activation) ? { output: 1 } : { input: 1 },
                  { output: 2 },
                  { output: 0 },
                ],
              },
            ],
          },
          inputs: [dy, x],
          outputs: [planes * pixels, planes * pixels, planes * 2],
          check: ([dx]) => {
            const comparator = new Comparator();
            for (const plane of somePlanes(planes, pixels)) {
              const expected = instanceNormGradientReference(
                planeOf(x, plane),
                attributes,
                planeOf(dy, plane),
              );
              comparator.add(dx, plane * pixels, expected.data);
            }
            return comparator.result(1e-4);
          },
        };
      },
    },
  ];
}

/** The discriminator's largest weights. */
const SPECTRAL = [
  { out: 128, in: 64 },
  { out: 512, in: 256 },
] as const;

function spectralNormCases(out: number, channels: number): KernelCase[] {
  const columns = channels * 16;
  const size = out * columns;
  const { layers } = packLayers([
    { rows: out, blocks: 1, inner: columns, weightStart: 0, uStart: 0, vStart: 0 },
  ]);
  const weightShape = [out, channels, 4, 4];
  const unit = (length: number, seed: number): Float32Array => {
    const data = noise(length, seed);
    const norm = Math.hypot(...data);
    return data.map((value) => value / norm);
  };
  return [
    {
      name: `spectral-norm forward ${channels}→${out}`,
      shape: `${out}×${columns}, one power iteration`,
      // W for Wᵀu, for Wv and for the division, and the result.
      bytes: 4 * size * 4,
      prepare(profile) {
        const w = noise(size, 1);
        const [u, v] = [unit(out, 2), unit(columns, 3)];
        return {
          plan: spectralNormForward(layers, { update: true, epsilon: 1e-12 }, profile),
          // The persistent u and v are renewed in place; every run starts from what is there.
          inputs: [w],
          shared: [4, 5],
          outputs: [out, columns, 1, size, u, v],
          check: ([, , , y, newU]) => {
            const weight = hostArray(weightShape, w);
            const expected = powerIteration(weight, hostArray([out], u), 0);
            const comparator = new Comparator();
            comparator.add(newU, 0, expected.u.data);
            const normalised = spectralNormalizeForward(weight, expected.u, expected.v, 0);
            comparator.add(y, 0, normalised.data);
            return comparator.result(1e-4);
          },
        };
      },
    },
    {
      name: `spectral-norm backward ${channels}→${out}`,
      shape: `${out}×${columns}`,
      // g and y for the inner product, g again, and the result.
      bytes: 4 * size * 4,
      prepare(profile) {
        const [w, g] = [noise(size, 1), noise(size, 4)];
        const weight = hostArray(weightShape, w);
        const { u, v } = powerIteration(weight, hostArray([out], unit(out, 2)), 0);
        const y = spectralNormalizeForward(weight, u, v, 0);
        const sigma = w[0] / y.data[0];
        const rounded = (data: Float64Array): Float32Array => Float32Array.from(data);
        return {
          plan: spectralNormBackward(
            layers.map((layer) => ({ ...layer, gradientStart: 0, accumulate: false })),
            profile,
          ),
          inputs: [w, rounded(u.data), rounded(v.data), Float32Array.of(sigma), g],
          outputs: [size],
          check: ([dw]) => {
            const expected = spectralNormalizeBackward(weight, u, v, 0, hostArray(weightShape, g));
            const comparator = new Comparator();
            comparator.add(dw, 0, expected.data);
            return comparator.result(1e-4);
          },
        };
      },
    },
  ];
}

/** Instance norm with its activation, and spectral norm, forward and backward. */
export function normalisationCases(batches: readonly number[]): KernelCase[] {
  return [
    ...NORMS.flatMap((shape) => batches.flatMap((batch) => instanceNormCases(shape, batch))),
    ...SPECTRAL.flatMap(({ out, in: channels }) => spectralNormCases(out, channels)),
  ];
}
