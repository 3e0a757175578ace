/** The part of tfjs that the comparison uses; the package is no dependency, so neither are its types. */

export interface TfTensor {
  readonly shape: number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}

export interface TfVariable extends TfTensor {
  readonly name: string;
}

export interface TfOptimiser {
  computeGradients(
    f: () => TfTensor,
    variables: TfVariable[],
  ): { value: TfTensor; grads: Record<string, TfTensor> };
  applyGradients(gradients: Record<string, TfTensor>): void;
}

type Axes = number | number[];

export interface Tf {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  backend(): {
    /** Absent while nothing is recorded. */
    readonly commandEncoder: GPUCommandEncoder | null;
    endComputePassEncoder(): void;
    submitQueue(): void;
    readonly device: GPUDevice;
  };
  readonly version_core: string;
  tensor(data: Float32Array, shape: number[]): TfTensor;
  variable(initial: TfTensor, trainable: boolean, name: string): TfVariable;
  keep(tensor: TfTensor): TfTensor;
  tidy<T>(body: () => T): T;
  dispose(tensors: unknown): void;
  grads(f: (...inputs: TfTensor[]) => TfTensor): (inputs: TfTensor[], dy?: TfTensor) => TfTensor[];
  add(a: TfTensor, b: TfTensor | number): TfTensor;
  sub(a: TfTensor | number, b: TfTensor | number): TfTensor;
  mul(a: TfTensor, b: TfTensor | number): TfTensor;
  div(a: TfTensor, b: TfTensor): TfTensor;
  abs(x: TfTensor): TfTensor;
  square(x: TfTensor): TfTensor;
  sqrt(x: TfTensor): TfTensor;
  rsqrt(x: TfTensor): TfTensor;
  step(x: TfTensor): TfTensor;
  tanh(x: TfTensor): TfTensor;
  relu(x: TfTensor): TfTensor;
  leakyRelu(x: TfTensor, slope: number): TfTensor;
  mean(x: TfTensor, axes?: Axes, keepDims?: boolean): TfTensor;
  sum(x: TfTensor, axes?: Axes, keepDims?: boolean): TfTensor;
  concat(tensors: TfTensor[], axis: number): TfTensor;
  slice(x: TfTensor, begin: number[], size: number[]): TfTensor;
  reshape(x: TfTensor, shape: number[]): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA?: boolean, transposeB?: boolean): TfTensor;
  conv2d(x: TfTensor, filter: TfTensor, strides: number, pad: number): TfTensor;
  conv2dTranspose(
    x: TfTensor,
    filter: TfTensor,
    outputShape: number[],
    strides: number,
    pad: number,
  ): TfTensor;
  maxPool(x: TfTensor, size: number, strides: number, pad: 'valid'): TfTensor;
  readonly train: {
    adam(rate: number, beta1: number, beta2: number, epsilon: number): TfOptimiser;
  };
}
