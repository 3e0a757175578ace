/*
 * The few lines of ONNX (onnx/onnx.proto, version 3 of the format) that a single convolution needs,
 * written by hand: protocol buffers are tagged fields of variable-length integers and byte strings.
 */

const OPSET = 17;
const IR_VERSION = 8;
const FLOAT = 1;

type Bytes = readonly number[];

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}

const integerField = (field: number, value: number): Bytes => [
  ...varint(field * 8),
  ...varint(value),
];

const bytesField = (field: number, bytes: Bytes): Bytes => [
  ...varint(field * 8 + 2),
  ...varint(bytes.length),
  ...bytes,
];

const textField = (field: number, text: string): Bytes => bytesField(field, [...Buffer.from(text)]);

const integersAttribute = (name: string, values: readonly number[]): Bytes => [
  ...textField(1, name),
  ...values.flatMap((value) => integerField(8, value)),
  ...integerField(20, 7),
];

function valueInfo(name: string, shape: readonly number[]): Bytes {
  const dimensions = shape.flatMap((extent) => bytesField(1, integerField(1, extent)));
  const tensor = [...integerField(1, FLOAT), ...bytesField(2, dimensions)];
  return [...textField(1, name), ...bytesField(2, bytesField(1, tensor))];
}

export interface OnnxConvolution {
  readonly op: 'Conv' | 'ConvTranspose';
  readonly input: readonly number[];
  readonly weight: readonly number[];
  readonly output: readonly number[];
  readonly stride: number;
  readonly padding: number;
  /** Rows and columns that a transposed convolution adds at the end. */
  readonly outputPadding?: readonly [number, number];
}

/** A model `y = op(x, w)` with both as inputs, so that nothing can be computed in advance. */
export function onnxConvolution(convolution: OnnxConvolution): Uint8Array {
  const { op, input, weight, output, stride, padding, outputPadding } = convolution;
  const attributes = [
    integersAttribute('strides', [stride, stride]),
    integersAttribute('pads', [padding, padding, padding, padding]),
    integersAttribute('kernel_shape', weight.slice(2)),
    ...(outputPadding ? [integersAttribute('output_padding', outputPadding)] : []),
  ];
  const node = [
    ...textField(1, 'x'),
    ...textField(1, 'w'),
    ...textField(2, 'y'),
    ...textField(4, op),
    ...attributes.flatMap((attribute) => bytesField(5, attribute)),
  ];
  const graph = [
    ...bytesField(1, node),
    ...textField(2, 'convolution'),
    ...bytesField(11, valueInfo('x', input)),
    ...bytesField(11, valueInfo('w', weight)),
    ...bytesField(12, valueInfo('y', output)),
  ];
  return Uint8Array.from([
    ...integerField(1, IR_VERSION),
    ...bytesField(7, graph),
    ...bytesField(8, integerField(2, OPSET)),
  ]);
}
