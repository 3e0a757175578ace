import { type Epilogue, NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import {
  type ConvGeometry,
  type ConvolutionPass,
  outHeight,
  outWidth,
} from '../../kernels/conv2d/geometry.ts';
import { GRADIENT_WAYS } from '../../kernels/conv2d/gradient-ways.ts';
import { convolutionVariants } from '../../kernels/conv2d/variants.ts';
import { type ElementType, withElementTypes } from '../../kernels/element-types.ts';
import type { AdapterProfile, Kernel, Operand, Plan } from '../../kernels/kernel.ts';
import { CONVOLUTIONS, type NamedShape, TRANSPOSED } from './shapes.ts';

/** One kernel at one shape, as a file `<kernel>.<shape>.<variant>.wgsl` would hold it. */
export interface KernelFile {
  readonly kernel: string;
  readonly shape: string;
  /** Begins with one of `VARIANTS`. */
  readonly variant: string;
  /** Of the whole convolution: multiply-adds for every byte of x, y and w, were each moved once. */
  readonly intensity: number;
  readonly code: string;
}

const GPU: AdapterProfile = { kind: 'gpu', subgroupSize: 0, f16: false };
/** The variants for CPU drivers, as they look without a fixed subgroup size. */
const CPU: AdapterProfile = { kind: 'cpu', subgroupSize: 0, f16: false };

/** A transposed convolution has a bias and no frozen weights; a trained convolution has a bias too. */
const BIAS: Epilogue = { bias: true, activation: { kind: 'leaky_relu', slope: 0.2 } };

/** For which adapters, and with activations in f16 (`--precision f16`) or not. */
export const VARIANTS = ['gpu', 'cpu', 'gpu_f16', 'cpu_f16'] as const;

interface Family {
  readonly kernel: string;
  readonly shape: NamedShape;
  readonly plans: readonly (readonly [variant: 'gpu' | 'cpu', plan: Plan])[];
  /** Which inputs are activations, and whether the output is; weights and their gradients are not. */
  readonly activations: { readonly inputs: readonly number[]; readonly output: boolean };
}

const IMAGE_TO_IMAGE = { inputs: [0], output: true };
const IMAGES_TO_WEIGHTS = { inputs: [0, 1], output: false };

function* families(): Generator<Family> {
  for (const shape of CONVOLUTIONS) {
    yield family('conv2d-forward', 'forward', shape, BIAS);
    yield family('conv2d-data-gradient', 'data-gradient', shape);
    if (shape.trained) yield family('conv2d-weight-gradient', 'weight-gradient', shape);
  }
  for (const shape of TRANSPOSED) {
    yield family('conv-transpose2d-forward', 'data-gradient', shape, BIAS);
    yield family('conv-transpose2d-data-gradient', 'forward', shape);
    yield family('conv-transpose2d-weight-gradient', 'weight-gradient', shape);
  }
}

/** A pass as it is done where nothing was measured. */
function family(
  kernel: string,
  pass: ConvolutionPass,
  shape: NamedShape,
  epilogue = NO_EPILOGUE,
): Family {
  const request = { pass, geometry: shape.geometry, epilogue, gradients: GRADIENT_WAYS };
  const planOf = (profile: AdapterProfile): Plan => convolutionVariants(request, profile)[0].plan();
  return {
    kernel,
    shape,
    plans: [
      ['gpu', planOf(GPU)],
      ['cpu', planOf(CPU)],
    ],
    activations: pass === 'weight-gradient' ? IMAGES_TO_WEIGHTS : IMAGE_TO_IMAGE,
  };
}

/** A plan's kernel as it is where activations are stored as f16; undefined where nothing changes. */
function narrowed(
  kernel: Kernel,
  operands: readonly Operand[],
  { alike = [] }: Plan,
  { inputs, output }: Family['activations'],
): Kernel | undefined {
  const types = operands.map((operand): ElementType => {
    if ('output' in operand) return output ? 'f16' : 'f32';
    if ('input' in operand) return inputs.includes(operand.input) ? 'f16' : 'f32';
    const like = alike.find(({ temporary }) => temporary === operand.temporary);
    return like && inputs.includes(like.input) ? 'f16' : 'f32';
  });
  return types.includes('f16') ? withElementTypes(kernel, types) : undefined;
}

/** Multiply-adds of any of the three passes, and the bytes that it reads and writes at least. */
function intensityOf(g: ConvGeometry): number {
  const weights = g.outChannels * g.inChannels * g.kernelHeight * g.kernelWidth;
  const pixels = g.batch * outHeight(g) * outWidth(g);
  const elements = g.batch * g.inChannels * g.height * g.width + g.outChannels * pixels + weights;
  return (weights * pixels) / (4 * elements);
}

/**
 * Every kernel of every convolution. A plan's main kernel, the one with the most bindings, is named
 * after the op; those around it (packing, adding parts) have their own name behind it.
 */
export function* kernelFiles(): Generator<KernelFile> {
  for (const { kernel, shape, plans, activations } of families()) {
    for (const [kind, plan] of plans) {
      const most = Math.max(...plan.steps.map((step) => step.kernel.bindings.length));
      const main = plan.steps.find((step) => step.kernel.bindings.length === most);
      for (const step of plan.steps) {
        const [family, ...tile] = step.kernel.key.replace(/^gpu\./, '').split('.');
        const named = (variant: string, code: string): KernelFile => ({
          kernel: step === main ? kernel : `${kernel}-${family.replace(/\W/g, '')}`,
          shape: shape.name,
          intensity: intensityOf(shape.geometry),
          variant: [variant, ...tile].join('-').replace(/[^\w-]/g, '_'),
          code,
        });
        yield named(kind, step.kernel.code());
        const half = narrowed(step.kernel, step.operands, plan, activations);
        if (half) yield named(`${kind}_f16`, half.code());
      }
    }
  }
}

export function fileName({ kernel, shape, variant }: KernelFile): string {
  return `${kernel}.${shape}.${variant}.wgsl`;
}
