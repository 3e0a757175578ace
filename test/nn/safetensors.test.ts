import fc from 'fast-check';
import { suite as uvuSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/errors.ts';
import type { HostTensor } from '../../src/nn/host-tensor.ts';
import { parseSafetensors, serializeSafetensors } from '../../src/nn/safetensors.ts';

const suite = uvuSuite('safetensors');

/** A file from header text and data bytes, with no rule checked. */
function rawFile(header: string, dataBytes: number, declaredLength?: bigint): Uint8Array {
  const json = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + json.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, declaredLength ?? BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

function rejects(file: Uint8Array, expected: RegExp) {
  let error: unknown;
  try {
    parseSafetensors(file, 'w.safetensors');
  } catch (caught) {
    error = caught;
  }
  assert.instance(error, DataError);
  assert.match(String(error), /w\.safetensors/);
  assert.match(String(error), expected);
}

const entry = (dtype: string, shape: string, begin: number, end: number) =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;

const sample = (): Map<string, HostTensor> =>
  new Map<string, HostTensor>([
    ['flags', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 0, 1) }],
    ['G_H.weight', { dtype: 'F32', shape: [1, 2], data: Float32Array.of(0.1, -3e38) }],
    ['scalar', { dtype: 'F32', shape: [], data: Float32Array.of(7) }],
    ['empty', { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) }],
    ['steps', { dtype: 'I64', shape: [1], data: BigInt64Array.of(-(2n ** 40n)) }],
    ['half', { dtype: 'F16', shape: [2], data: Float32Array.of(0.5, -2) }],
    ['brain', { dtype: 'BF16', shape: [1], data: Float32Array.of(-1.5) }],
    ['double', { dtype: 'F64', shape: [1], data: Float32Array.of(0.25) }],
    ['__proto__', { dtype: 'I32', shape: [2], data: Int32Array.of(-1, 5) }],
    ['ünï"quoted', { dtype: 'BOOL', shape: [1], data: Uint8Array.of(1) }],
  ]);

suite('round trip keeps names, shapes, dtypes, values and metadata', () => {
  const metadata = { format: 'sonolift', note: 'a "b"\n' };
  const file = serializeSafetensors(sample(), metadata);
  const back = parseSafetensors(file, 'x');
  assert.equal(back.metadata, metadata);
  assert.equal([...back.tensors.keys()].sort(), [...sample().keys()].sort());
  for (const [name, tensor] of sample()) assert.equal(back.tensors.get(name), tensor, name);
  const headerBytes = Number(new DataView(file.buffer).getBigUint64(0, true));
  assert.is(headerBytes % 8, 0, 'data begins aligned');
});

suite('f32 values round trip bit by bit, from any alignment of the file in memory', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 0, maxLength: 64 }),
      fc.nat(7),
      (bytes: Uint8Array, shift: number) => {
        const data = new Float32Array(bytes.slice(0, bytes.length & ~3).buffer);
        const file = serializeSafetensors(
          new Map([['x', { dtype: 'F32', shape: [data.length], data }]]),
        );
        const moved = new Uint8Array(file.length + shift).subarray(shift);
        moved.set(file);
        const back = parseSafetensors(moved, 'x').tensors.get('x')?.data;
        if (!(back instanceof Float32Array)) throw new Error('expected f32 values');
        assert.equal(new Uint8Array(back.buffer), new Uint8Array(data.buffer));
      },
    ),
    { seed: 1 },
  );
});

suite('F16 is written rounded to nearest even', () => {
  const data = Float32Array.of(2049, 2051, 1e6, 1e-9);
  const file = serializeSafetensors(new Map([['x', { dtype: 'F16', shape: [4], data }]]));
  assert.is(file.length % 8, 0);
  const back = parseSafetensors(file, 'x').tensors.get('x');
  assert.equal(back?.data, Float32Array.of(2048, 2052, Number.POSITIVE_INFINITY, 0));
});

suite('equal content gives equal bytes whatever the order of insertion', () => {
  const reversed = new Map([...sample()].reverse());
  assert.equal(serializeSafetensors(sample()), serializeSafetensors(reversed));
});

suite('no tensors at all is a valid file', () => {
  assert.is(parseSafetensors(serializeSafetensors(new Map()), 'x').tensors.size, 0);
});

suite('serialising rejects data that does not fit its shape or dtype, and the reserved name', () => {
  const f32 = (length: number): HostTensor => ({
    dtype: 'F32',
    shape: [2],
    data: new Float32Array(length),
  });
  assert.throws(
    () => serializeSafetensors(new Map([['w', f32(3)]])),
    /tensor w: .*needs 2.*found 3/,
  );
  const wrong: HostTensor = { dtype: 'I32', shape: [2], data: new Float32Array(2) };
  assert.throws(() => serializeSafetensors(new Map([['w', wrong]])), /I32 .*Float32Array/);
  assert.throws(() => serializeSafetensors(new Map([['__metadata__', f32(2)]])), /reserved/);
});

suite('every rule of the format is enforced', () => {
  const one = `{"a":${entry('F32', '[1]', 0, 4)}}`;
  assert.is(parseSafetensors(rawFile(one, 4), 'x').tensors.size, 1);

  rejects(new Uint8Array(7), /needs 8 bytes, the file has 7/);
  rejects(rawFile(one, 4, 100_000_001n), /100000001 bytes, allowed are 100000000/);
  rejects(rawFile(one, 4, 2n ** 63n), /allowed/);
  rejects(rawFile(one, 0, 1000n), /ends at byte 1008/);
  rejects(rawFile('', 0), /does not start with '\{'/);
  rejects(rawFile(` ${one}`, 4), /does not start with '\{'/);
  rejects(rawFile('{"a":', 0), /not valid UTF-8 JSON/);
  rejects(rawFile(one, 3), /take 4 data bytes, the file has 3/);
  rejects(rawFile(one, 5), /take 4 data bytes, the file has 5/);
  rejects(rawFile('{"__metadata__":{"a":1}}', 0), /"a": expected a string, found number/);
  rejects(rawFile('{"__metadata__":["a"]}', 0), /not an object of strings/);
  rejects(rawFile('{"a":3}', 0), /"a": header entry is not an object/);
  rejects(rawFile(`{"a":${entry('F4', '[1]', 0, 4)}}`, 4), /"a".*dtype.*found "F4"/);
  rejects(rawFile(`{"a":${entry('toString', '[1]', 0, 4)}}`, 4), /dtype/);
  rejects(rawFile(`{"a":${entry('F32', '[-1]', 0, 4)}}`, 4), /shape/);
  rejects(rawFile(`{"a":${entry('F32', '[0.5,2]', 0, 4)}}`, 4), /shape/);
  rejects(rawFile(`{"a":${entry('F32', '"1"', 0, 4)}}`, 4), /shape/);
  rejects(rawFile(`{"a":${entry('F32', '[1]', -4, 0)}}`, 0), /data_offsets/);
  rejects(rawFile('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}', 4), /two data_offsets/);
  rejects(rawFile('{"a":{"dtype":"F32","shape":[1]}}', 4), /data_offsets, found none/);
  rejects(rawFile(`{"a":${entry('F32', '[2]', 0, 4)}}`, 4), /expected 8 bytes.*of 4 bytes/);
  rejects(rawFile(`{"a":${entry('F32', '[1]', 8, 4)}}`, 8), /expected 4 bytes/);
  const huge = `[${2 ** 31},${2 ** 31},4]`;
  rejects(rawFile(`{"a":${entry('F32', huge, 0, 0)}}`, 0), /below 2\^53/);
});

suite('holes, overlaps and duplicate keys are named', () => {
  const two = (begin: number) =>
    `{"a":${entry('U8', '[4]', 0, 4)},"b":${entry('U8', '[4]', begin, begin + 4)}}`;
  assert.is(parseSafetensors(rawFile(two(4), 8), 'x').tensors.size, 2);
  rejects(rawFile(two(5), 9), /"b".*begin at byte 4, found 5 \(hole\)/);
  rejects(rawFile(two(3), 7), /"b".*begin at byte 4, found 3 \(overlap\)/);
  const a = entry('U8', '[1]', 0, 1);
  rejects(rawFile(`{"a":${a},"a":${a}}`, 1), /key "a" twice/);
  rejects(rawFile(`{"a":${a},"\\u0061":${a}}`, 1), /key "a" twice/);
  rejects(rawFile('{"__metadata__":{"k":"1","k":"2"}}', 0), /key "k" twice/);
  rejects(rawFile(`{"a":{"dtype":"F32",${a.slice(1)}}`, 1), /key "dtype" twice/);
  // Header order need not be data order.
  const swapped = `{"b":${entry('U8', '[1]', 1, 2)},"a":${a}}`;
  assert.equal([...parseSafetensors(rawFile(swapped, 2), 'x').tensors.keys()], ['b', 'a']);
});

suite('damaged files give a DataError or tensors of the declared size, nothing else', () => {
  const good = serializeSafetensors(sample(), { a: 'b' });
  let accepted = 0;
  let rejected = 0;
  const check = (file: Uint8Array) => {
    try {
      for (const [, { shape, data }] of parseSafetensors(file, 'fuzz').tensors) {
        assert.is(
          data.length,
          shape.reduce((a, b) => a * b, 1),
        );
        assert.ok(data.byteLength <= file.length * 2);
      }
      accepted++;
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      rejected++;
    }
  };
  const flips = fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(flips, fc.integer({ min: 0, max: good.length + 8 }), (changes, length) => {
      const flipped = good.slice();
      for (const [at, mask] of changes) flipped[at] = (flipped[at] ?? 0) ^ mask;
      check(flipped);
      const cut = new Uint8Array(length);
      cut.set(flipped.subarray(0, length));
      check(cut);
    }),
    { numRuns: 2000, seed: 7 },
  );
  assert.ok(accepted > 50 && rejected > 1000, `accepted ${accepted}, rejected ${rejected}`);
});

suite.run();
