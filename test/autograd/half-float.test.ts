import { suite as uvuSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { bfloat16BitsToFloat32, halfBitsToFloat32 } from '../../src/gpu/half-float.ts';
import { float32ToBfloat16Bits, float32ToHalfBits } from '../../src/gpu/half-rounding.ts';

const suite = uvuSuite('half-float');

suite('every binary16 value survives half → f32 → half', () => {
  for (let bits = 0; bits < 65536; bits++) {
    const value = halfBitsToFloat32(bits);
    if (Number.isNaN(value)) {
      assert.ok(Number.isNaN(halfBitsToFloat32(float32ToHalfBits(value))), `NaN ${bits}`);
    } else {
      assert.is(float32ToHalfBits(value), bits, `bits ${bits} value ${value}`);
    }
  }
});

suite('midway between two binary16 neighbours rounds to the even one, else to the nearer', () => {
  for (let low = 0; low < 0x7bff; low++) {
    const a = halfBitsToFloat32(low);
    const b = halfBitsToFloat32(low + 1);
    const middle = (a + b) / 2; // exact in f32: one bit more than a half has
    assert.is(float32ToHalfBits(middle), low % 2 === 0 ? low : low + 1, `middle ${middle}`);
    assert.is(float32ToHalfBits(middle - (b - a) / 8), low);
    assert.is(float32ToHalfBits(-middle - (b - a) / 8), 0x8000 | (low + 1));
  }
});

suite('binary16 overflow, underflow and known patterns', () => {
  assert.is(float32ToHalfBits(65519.996), 0x7bff);
  assert.is(float32ToHalfBits(65520), 0x7c00);
  assert.is(float32ToHalfBits(-1e30), 0xfc00);
  assert.is(float32ToHalfBits(2 ** -25), 0);
  assert.is(float32ToHalfBits(-(2 ** -25) * 1.0001), 0x8001);
  assert.is(float32ToHalfBits(1), 0x3c00);
  assert.is(float32ToHalfBits(-2), 0xc000);
  assert.is(float32ToHalfBits(1e-45), 0);
});

suite('bfloat16 keeps its own values and rounds to nearest even', () => {
  for (let bits = 0; bits < 65536; bits++) {
    const value = bfloat16BitsToFloat32(bits);
    if (!Number.isNaN(value)) assert.is(float32ToBfloat16Bits(value), bits);
  }
  assert.is(float32ToBfloat16Bits(1 + 2 ** -8), 0x3f80);
  assert.is(float32ToBfloat16Bits(1 + 3 * 2 ** -8), 0x3f82);
  assert.is(float32ToBfloat16Bits(3.4e38), 0x7f80);
  assert.ok(Number.isNaN(bfloat16BitsToFloat32(float32ToBfloat16Bits(Number.NaN))));
});

suite.run();
