/** Reading 16-bit floats; rounding to them is in `half-rounding.ts`, which few pages need. */

/** The value of an IEEE 754 binary16 bit pattern; exact. */
export function halfBitsToFloat32(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The value of a bfloat16 bit pattern; exact. */
export function bfloat16BitsToFloat32(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0];
}
