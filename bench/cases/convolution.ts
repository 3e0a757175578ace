import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import {
  type ConvGeometry,
  type ConvolutionPass,
  outHeight,
  outWidth,
} from '../../kernels/conv2d/geometry.ts';
import { GRADIENT_WAYS } from '../../kernels/conv2d/gradient-ways.ts';
import { convolutionVariants } from '../../kernels/conv2d/variants.ts';
import type { AdapterProfile, Plan } from '../../kernels/kernel.ts';
import { type Accesses, inRows, together } from '../measure/roof.ts';
import { checkDataGradient, checkForward, checkWeightGradient } from './convolution-check.ts';
import { CONVOLUTION_LAYERS, type ConvolutionLayer } from './convolution-layers.ts';
import { type KernelCase, noise } from './kernel-case.ts';

const PASSES = ['forward', 'data', 'weight'] as const;
type Pass = (typeof PASSES)[number];

/** What a pass of a layer is called: a transposed convolution's forward is a data gradient. */
function passName(layer: ConvolutionLayer, pass: Pass): string {
  if (!layer.transposed || pass === 'weight') return pass;
  return pass === 'forward' ? 'data' : 'forward';
}

export function geometryOf(layer: ConvolutionLayer, batch: number): ConvGeometry {
  const { inChannels, height, width, outChannels, kernel, stride, padding } = layer;
  return {
    batch,
    inChannels,
    height,
    width,
    outChannels,
    kernelHeight: kernel,
    kernelWidth: kernel,
    stride,
    padding,
    paddingMode: layer.paddingMode ?? 'zeros',
  };
}

/** Multiply-adds of the direct algorithm, each counted as two. */
export function convolutionFlops(g: ConvGeometry): number {
  const outputs = g.batch * g.outChannels * outHeight(g) * outWidth(g);
  return 2 * outputs * g.inChannels * g.kernelHeight * g.kernelWidth;
}

export function convolutionSizes(g: ConvGeometry): { x: number; w: number; y: number } {
  return {
    x: g.batch * g.inChannels * g.height * g.width,
    w: g.outChannels * g.inChannels * g.kernelHeight * g.kernelWidth,
    y: g.batch * g.outChannels * outHeight(g) * outWidth(g),
  };
}

/**
 * Every value of the images once. Weights are left out: all lanes need the same ones, and there are ways around
 * a load for each.
 */
function accessesOf(g: ConvGeometry, pass: Pass): Accesses {
  const sizes = convolutionSizes(g);
  // A 1×1 convolution does not see rows.
  const isPointwise = g.kernelHeight * g.kernelWidth * g.stride === 1;
  const x = inRows(sizes.x, isPointwise ? g.height * g.width : g.width);
  const y = inRows(sizes.y, isPointwise ? outHeight(g) * outWidth(g) : outWidth(g));
  if (pass === 'weight') return { loads: together(x, y), stores: inRows(sizes.w, 4) };
  return pass === 'forward' ? { loads: x, stores: y } : { loads: y, stores: x };
}

/** What is run where nothing was measured. */
function defaultPlan(
  pass: ConvolutionPass,
  geometry: ConvGeometry,
  profile: AdapterProfile,
  isFrozen: boolean,
): Plan {
  const request = { pass, geometry, epilogue: NO_EPILOGUE, isFrozen, gradients: GRADIENT_WAYS };
  return convolutionVariants(request, profile)[0].plan();
}

/** Channels from which a layer counts as one of many. */
const MANY_CHANNELS = 16;

/** A network's layers of one kernel size; those from or to a few channels apart, which have little to reuse. */
function familyOf(layer: ConvolutionLayer, pass: Pass): string {
  const network = layer.name.split('.')[0];
  const isMany = Math.min(layer.inChannels, layer.outChannels) >= MANY_CHANNELS;
  const kind = isMany ? `${layer.kernel}×${layer.kernel}` : 'few channels';
  return `conv ${passName(layer, pass)} ${network}, ${kind}`;
}

function convolutionCase(layer: ConvolutionLayer, pass: Pass, batch: number): KernelCase {
  const g = geometryOf(layer, batch);
  const sizes = convolutionSizes(g);
  const arrow = layer.transposed
    ? `${g.outChannels}→${g.inChannels}`
    : `${g.inChannels}→${g.outChannels}`;
  const kind = layer.transposed ? 'T' : '';
  const isFrozen = layer.frozen ?? false;
  const weights = isFrozen ? { constant: [1] } : {};
  return {
    name: `conv ${passName(layer, pass)} ${layer.name} b${batch}`,
    family: familyOf(layer, pass),
    shape: `${batch}×${arrow} ${kind}${layer.kernel}×${layer.kernel} s${layer.stride} @${g.height}×${g.width}`,
    flops: convolutionFlops(g),
    bytes: (sizes.x + sizes.w + sizes.y) * 4,
    accesses: accessesOf(g, pass),
    prepare(profile) {
      if (pass === 'forward') {
        const [x, w] = [noise(sizes.x, 1), noise(sizes.w, 2)];
        return {
          plan: defaultPlan('forward', g, profile, isFrozen),
          inputs: [x, w],
          ...weights,
          outputs: [sizes.y],
          check: ([y]) => checkForward(g, x, w, y),
        };
      }
      if (pass === 'data') {
        const [dy, w] = [noise(sizes.y, 3), noise(sizes.w, 2)];
        return {
          plan: defaultPlan('data-gradient', g, profile, isFrozen),
          inputs: [dy, w],
          ...weights,
          outputs: [sizes.x],
          check: ([dx]) => checkDataGradient(g, dy, w, dx),
        };
      }
      const [x, dy] = [noise(sizes.x, 1), noise(sizes.y, 3)];
      return {
        plan: defaultPlan('weight-gradient', g, profile, false),
        inputs: [x, dy],
        outputs: [sizes.w],
        check: ([dw]) => checkWeightGradient(g, x, dy, dw),
      };
    },
  };
}

/**
 * Forward, data gradient and weight gradient of every layer. For a transposed convolution the names
 * say what the layer does, so its `forward` is the data gradient of the convolution it is the adjoint
 * of. Frozen trunks have no weight gradient, and their weights are packed or transformed before timing, as in a
 * training step.
 */
export function convolutionCases(batches: readonly number[]): KernelCase[] {
  return CONVOLUTION_LAYERS.flatMap((layer) =>
    batches.flatMap((batch) =>
      PASSES.filter((pass) => !(layer.frozen && pass === 'weight')).map((pass) =>
        convolutionCase(layer, pass, batch),
      ),
    ),
  );
}
