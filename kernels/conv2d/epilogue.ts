import { type Activation, activationForward, NONE } from '../activation.ts';

/* What happens to a convolution's result before it is stored: y = f(z + bias). */

export interface Epilogue {
  readonly bias: boolean;
  readonly activation: Activation;
}

export const NO_EPILOGUE: Epilogue = { bias: false, activation: NONE };

const CODES = { none: 0, relu: 1, leaky_relu: 2, tanh: 3, sigmoid: 4 } as const;

export function epilogueCode(activation: Activation): number {
  return CODES[activation.kind];
}

export function epilogueSlope(activation: Activation): number {
  return activation.kind === 'leaky_relu' ? activation.slope : 0;
}

/**
 * WGSL of `activate(z, code, slope)`. The activation is chosen when the kernel runs: that costs
 * nothing beside a convolution, and saves compiling the convolution again for each.
 */
export const EPILOGUE_ACTIVATION = `
fn activate(z: vec4f, code: u32, slope: f32) -> vec4f {
  switch (code) {
    case ${CODES.relu}u: { return ${activationForward({ kind: 'relu' }, 'z')}; }
    case ${CODES.leaky_relu}u: { return select(z, slope * z, z < vec4f(0.0)); }
    case ${CODES.tanh}u: { return ${activationForward({ kind: 'tanh' }, 'z')}; }
    case ${CODES.sigmoid}u: { return ${activationForward({ kind: 'sigmoid' }, 'z')}; }
    default: { return z; }
  }
}`;

/** WGSL that applies it to `value`; asking first costs less than the choice among all. */
export const ACTIVATE_VALUE =
  'if (sizes.activation != 0u) { value = activate(value, sizes.activation, bitcast<f32>(sizes.slope)); }';

/** WGSL that stores `value` at element `to` of the output, of which `left` are in its row. */
export function storeVector(outWidth: number, to: string, left: string): string {
  if (outWidth % 4 === 0)
    return `if (sizes.accumulate != 0u) { value += result[(${to}) / 4u]; }
      if (${left} > 0u) { result[(${to}) / 4u] = value; }`;
  const places = [...'xyzw'].map((c, i) => [c, `result[${to} + ${i}u]`]);
  return `if (sizes.accumulate != 0u) { value += vec4f(${places.map(([, p]) => p).join(', ')}); }
      ${places.map(([c, p], i) => `if (${left} > ${i}u) { ${p} = value.${c}; }`).join('\n      ')}`;
}
