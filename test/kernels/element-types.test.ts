/** Kernels over f16 storage as text: what is converted where, and what is refused. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { kernelFiles } from '../../bench/codegen/variants.ts';
import { type ElementType, withElementTypes } from '../../kernels/element-types.ts';
import { countNonFiniteKernel } from '../../kernels/finite.ts';
import type { Kernel } from '../../kernels/kernel.ts';

const suite = createSuite('kernels over f16 storage');

/** A kernel of two bindings of these types with a body. */
function kernelOf(body: string, [x, y] = ['f32', 'vec4f'], rest: Partial<Kernel> = {}): Kernel {
  return {
    key: 'sample',
    bindings: ['read', 'write'],
    workgroups: [1, 1, 1],
    code: () => `enable subgroups;
@group(0) @binding(0) var<storage, read> x: array<${x}>;
@group(0) @binding(1) var<storage, read_write> y: array<${y}>;
${body}`,
    ...rest,
  };
}

const HALF: readonly ElementType[] = ['f16', 'f16'];

/** The body of a kernel over f16. */
function narrowed(body: string, types?: [string, string], rest?: Partial<Kernel>): string {
  return withElementTypes(kernelOf(body, types, rest), HALF)
    .code()
    .split(';\n')
    .slice(4)
    .join(';\n');
}

suite('a kernel that holds no f16 is the kernel itself', () => {
  const kernel = kernelOf('');
  assert.is(withElementTypes(kernel, ['f32', 'f32']), kernel);
  assert.is(withElementTypes(kernel, []), kernel);
});

suite('bindings are declared narrow, key and features tell', () => {
  const kernel = kernelOf('fn f() {}', ['vec2f', 'vec4f'], { requires: ['subgroups'] });
  const both = withElementTypes(kernel, HALF);
  assert.is(both.key, 'sample.f16(0,1)');
  assert.equal(both.requires, ['subgroups', 'shader-f16']);
  assert.match(both.code(), /^enable f16;\nenable subgroups;/);
  assert.match(both.code(), /x: array<vec2<f16>>;\n.*y: array<vec4<f16>>;/);
  const second = withElementTypes(kernel, ['f32', 'f16']);
  assert.is(second.key, 'sample.f16(1)');
  assert.match(second.code(), /x: array<vec2f>;\n.*y: array<vec4<f16>>;/);
  assert.is(withElementTypes(kernel, HALF), both, 'made once');
});

for (const [title, body, expected, types] of [
  ['reads are widened', 'let a = x[i + 1u] * 2.0;', 'let a = f32(x[i + 1u]) * 2.0;'],
  ['vectors too', 'let a = y[i].xy;', 'let a = vec4f(y[i]).xy;'],
  ['writes are rounded', 'y[i] = a + b;', 'y[i] = vec4<f16>(a + b);'],
  [
    'values of writes are read',
    'y[i] = x[j] * y[k];',
    'y[i] = vec4<f16>(f32(x[j]) * vec4f(y[k]));',
  ],
  ['components are written', 'y[i].z = a; y[i][k] = b;', 'y[i].z = f16(a); y[i][k] = f16(b);'],
  ['sums are made wide', 'y[i] += a;', 'y[i] = vec4<f16>(vec4f(y[i]) + (a));'],
  ['sums of components', 'y[i][2] -= a * b;', 'y[i][2] = f16(f32(y[i][2]) - (a * b));'],
  ['an index may be an access', 'let a = x[u32(x[i])];', 'let a = f32(x[u32(f32(x[i]))]);'],
  ['an index may have brackets', 'y[at[k] + 1u] = v[2];', 'y[at[k] + 1u] = vec4<f16>(v[2]);'],
  ['a comparison is a read', 'if (x[i] == 0.0) {}', 'if (f32(x[i]) == 0.0) {}'],
  ['components and other names stay', 's.x = xx[i] + a.y[i];', 's.x = xx[i] + a.y[i];'],
  [
    'arrays of arrays have two indices',
    'let a = x[k][3].y; y[i] = a * x[k + 1u][at[0]];',
    'let a = vec4f(x[k][3]).y; y[i] = f16(a * vec4f(x[k + 1u][at[0]]));',
    ['array<vec4f, 8>', 'f32'],
  ],
  ['lengths stay', 'if (i < arrayLength(&y)) {}', 'if (i < arrayLength(&y)) {}'],
  ['comments say nothing', 'let a = 1; // of x\n/* y */let b = 2;', 'let a = 1; \nlet b = 2;'],
] as readonly [string, string, string, [string, string]?][]) {
  suite(title, () => {
    assert.is(narrowed(body, types).trim(), expected.trim());
  });
}

suite('workgroup arrays of a narrow binding become narrow', () => {
  const body = `var<workgroup> tile: array<array<vec4f, 8>, 2>;
tile[0][i] = a; tile[1][i][k] = b; let c = tile[h][i + 1u].x;`;
  assert.is(
    narrowed(body, undefined, { tiles: { tile: 0 } }),
    `var<workgroup> tile: array<array<vec4<f16>, 8>, 2>;
tile[0][i] = vec4<f16>(a); tile[1][i][k] = f16(b); let c = vec4f(tile[h][i + 1u]).x;`,
  );
  assert.is(narrowed(body), body);
});

suite('what cannot be converted is refused by name', () => {
  const refused = (body: string, types?: [string, string]): string => {
    try {
      narrowed(body, types);
    } catch (error) {
      assert.instance(error, TypeError);
      return String(error);
    }
    return '';
  };
  assert.match(refused('', ['u32', 'f32']), /kernel sample: binding 0 is no array of floats/);
  assert.match(refused('', ['f32', 'atomic<u32>']), /binding 1 is no array of floats/);
  assert.match(refused('f(&y);'), /kernel sample: no access of the array y: f\(&y\)/);
  assert.match(refused('y[i;'), /no bracket closes the one at \[i;/);
  const counting = withElementTypes(countNonFiniteKernel(8), ['f16']);
  assert.throws(() => counting.code(), /kernel finite.tail0: binding 0 is no array of floats/);
});

suite('every convolution kernel has an f16 form, but those between weights and temporaries', () => {
  const files = [...kernelFiles()];
  const isHalf = (code: string): boolean => code.startsWith('enable f16;');
  for (const { variant, code } of files) assert.is(isHalf(code), /_f16/.test(variant));
  const main = files.filter(({ kernel }) =>
    /-(forward|data-gradient|weight-gradient)$/.test(kernel),
  );
  const half = main.filter(({ code }) => isHalf(code));
  assert.is(half.length * 2, main.length);
  const shared = half.flatMap(({ variant, code }) =>
    variant.startsWith('gpu_f16') ? [...code.matchAll(/var<workgroup> (\w+): (.*);/g)] : [],
  );
  assert.ok(shared.length > 50);
  for (const [declaration, name, type] of shared) {
    // Sums are f32 wherever they are.
    if (name !== 'sums') assert.match(type, /^(array<)+vec4<f16>, \d+>/, declaration);
  }
});

suite.run();
