/**
 * `sonolift/kernels`: the WGSL kernels as pure functions from a specification to code, bindings and
 * workgroups, without a device. `gpu.run` and `gpu.runPlan` run them.
 */
export * from '../../kernels/activation.ts';
export * from '../../kernels/adam.ts';
export * from '../../kernels/add-bias.ts';
export * from '../../kernels/channel-affine.ts';
export * from '../../kernels/conv2d/bias-gradient.ts';
export * from '../../kernels/conv2d/data-gradient.ts';
export * from '../../kernels/conv2d/forward.ts';
export * from '../../kernels/conv2d/geometry.ts';
export * from '../../kernels/conv2d/weight-gradient.ts';
export * from '../../kernels/copy-blocks.ts';
export * from '../../kernels/dropout.ts';
export * from '../../kernels/element-types.ts';
export * from '../../kernels/elementwise.ts';
export * from '../../kernels/exponential-average.ts';
export * from '../../kernels/finite.ts';
export * from '../../kernels/grid-sample.ts';
export * from '../../kernels/instance-norm.ts';
export * from '../../kernels/kernel.ts';
export * from '../../kernels/label-smoothing.ts';
export * from '../../kernels/loss-scale.ts';
export * from '../../kernels/loss-terms.ts';
export * from '../../kernels/lpips.ts';
export * from '../../kernels/max-pool2d.ts';
export type * from '../../kernels/max-pool2d-spec.ts';
export * from '../../kernels/moments.ts';
export * from '../../kernels/reduce.ts';
export * from '../../kernels/resize.ts';
export type * from '../../kernels/resize-spec.ts';
export * from '../../kernels/scores.ts';
export * from '../../kernels/spectral-norm.ts';
export * from '../../kernels/spectral-norm-gradient.ts';
export { packLayers } from '../../kernels/spectral-norm-layout.ts';
export * from '../../kernels/weighted-sum.ts';
export * from '../../kernels/window-filter.ts';
