/** Scratch for reading the bits of one f32. */
const f32Scratch = new Float32Array(1);
const bitsScratch = new Uint32Array(f32Scratch.buffer);

/** Divides `value` by 2^shift, to the nearest integer, ties to even (IEEE 754 default rounding). */
function shiftRightToNearestEven(value: number, shift: number): number {
  const kept = value >>> shift;
  const lost = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const roundUp = lost > half || (lost === half && (kept & 1) === 1);
  return roundUp ? kept + 1 : kept;
}

/**
 * The IEEE 754 binary16 bit pattern nearest to an f32 value, ties to even. Values from 65520 on
 * become infinity, tiny ones subnormals or signed zero; NaN stays NaN (quiet).
 */
export function float32ToHalfBits(value: number): number {
  f32Scratch[0] = value;
  const bits = bitsScratch[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200 | (fraction >>> 13));
  const halfExponent = exponent - 127 + 15;
  if (halfExponent >= 31) return sign | 0x7c00;
  if (halfExponent <= 0) {
    // 14 - halfExponent is the shift that puts the leading one where a subnormal's fraction is;
    // beyond 24 even the largest fraction is below half of the smallest subnormal.
    const shift = 14 - halfExponent;
    return shift > 24 ? sign : sign | shiftRightToNearestEven(fraction | 0x800000, shift);
  }
  // A carry out of the fraction runs into the exponent, which is exactly the right result.
  return sign | shiftRightToNearestEven((halfExponent << 23) | fraction, 13);
}

/** The bfloat16 bit pattern nearest to an f32 value, ties to even; NaN stays NaN (quiet). */
export function float32ToBfloat16Bits(value: number): number {
  f32Scratch[0] = value;
  const bits = bitsScratch[0] ?? 0;
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40;
  return shiftRightToNearestEven(bits, 16);
}
