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

/**
 * WGSL that stores the vec4f variable `value` in the array of f32 `result`, from element `to` on, or adds it to what is
 * there: of a row that ends after `left` elements. Straight code: a loop over them would pick components by
 * index and ask at each turn of all lanes whether one goes on.
 * @param to u32 expression @param left u32 expression, at least 1
 */
export function storeEach(value: string, to: string, left: string): string[] {
  const elements = [0, 1, 2, 3].map((e) => `result[${to} + ${e}u]`);
  return [
    // What is read beyond the row's end is not stored.
    `if (sizes.accumulate != 0u) { ${value} += vec4f(${elements.join(', ')}); }`,
    ...elements.map((element, e) => {
      const store = `${element} = ${value}.${'xyzw'[e]};`;
      return e === 0 ? store : `if (${left} > ${e}u) { ${store} }`;
    }),
  ];
}
