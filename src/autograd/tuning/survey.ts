import type { ConvolutionRequest } from '../../../kernels/conv2d/convolution-request.ts';
import { geometryKey } from '../../../kernels/conv2d/geometry.ts';
import { shapeClass } from '../../../kernels/conv2d/shape-class.ts';
import { convolutionVariants } from '../../../kernels/conv2d/variants.ts';
import { blankGpu } from '../../gpu/blank-gpu.ts';
import type { Gpu } from '../../gpu/gpu.ts';
import { surveyConvolutions } from '../ops/convolution-plans.ts';

/** What a program asks for of one shape class. */
export interface SurveyedClass {
  /** One request of each size, the first of which stands for the class. */
  readonly requests: readonly ConvolutionRequest[];
  /** Names of the variants that are right for the first, the default first. */
  readonly variants: readonly string[];
  /** The class of the same over f32. */
  readonly untyped: string;
  /** How often it is asked for. */
  readonly uses: number;
}

/**
 * The convolutions of a program by shape class. Nothing is computed: `record` gets a device that only
 * takes note, and must not read from it.
 */
export function surveyProgram(
  gpu: Gpu,
  record: (blank: Gpu) => void,
): ReadonlyMap<string, SurveyedClass> {
  const classes = new Map<string, SurveyedClass>();
  const seen = new Set<string>();
  const blank = blankGpu(gpu);
  surveyConvolutions(blank, (request) => {
    const name = shapeClass(request);
    const known = classes.get(name);
    const sizes = `${name} ${geometryKey(request.geometry)}`;
    const requests = [...(known?.requests ?? []), ...(seen.has(sizes) ? [] : [request])];
    seen.add(sizes);
    const variants =
      known?.variants ?? convolutionVariants(request, gpu.profile).map((variant) => variant.name);
    const uses = (known?.uses ?? 0) + 1;
    classes.set(name, {
      requests,
      variants,
      untyped: shapeClass({ ...request, elementTypes: undefined }),
      uses,
    });
  });
  record(blank);
  return classes;
}
