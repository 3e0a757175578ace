import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/autograd/backward.ts';
import { compareArrays, formatMismatch } from '../../src/autograd/gradcheck.ts';
import { type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { FixtureTensors, readFixture } from './pytorch-fixtures.ts';

/** One case of ops.json: names of tensors in ops.safetensors. See ops.py. */
export interface OpFixture {
  readonly name: string;
  readonly op: string;
  readonly attributes: Readonly<Record<string, never>>;
  readonly inputs: Readonly<Record<string, string>>;
  readonly output: string;
  readonly cotangent: string;
  readonly gradients: Readonly<Record<string, string>>;
}

/** Calls an op with the tensors and attributes of a case. */
export type RunOp = (inputs: readonly Tensor[], attributes: OpFixture['attributes']) => Tensor;

/** Differences allowed: absolute, in shares of the largest expected element, and of each one. */
const TOLERANCE = { atol: 2e-7, ofLargest: 2e-6, rtol: 1e-5 };

/** The single-op fixtures that PyTorch made, and how to hold ops against them. */
export class OpFixtures {
  readonly cases = readFixture<{ cases: OpFixture[] }>('ops.json').cases;
  readonly tensors = new FixtureTensors('ops.safetensors');
  private readonly gpu: Gpu;

  constructor(gpu: Gpu) {
    this.gpu = gpu;
  }

  upload(name: string): Tensor {
    return tensorFrom(this.gpu, this.tensors.floats(name), this.tensors.shape(name));
  }

  async assertEqual(found: Tensor, name: string): Promise<void> {
    assert.equal([...found.shape], [...this.tensors.shape(name)], `${name} shape`);
    this.assertClose(await found.read(), name);
  }

  assertClose(found: Float32Array, name: string): void {
    const expected = this.tensors.floats(name);
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const atol = TOLERANCE.atol + TOLERANCE.ofLargest * largest;
    const mismatch = compareArrays(name, found, expected, { atol, rtol: TOLERANCE.rtol });
    assert.not(mismatch, mismatch && formatMismatch(mismatch));
  }

  /** Output and gradients of one case. */
  async check(fixture: OpFixture, run: RunOp): Promise<void> {
    const names = Object.keys(fixture.inputs);
    const inputs = names.map((name) => this.upload(fixture.inputs[name]));
    const wrt = inputs.filter((_, index) => names[index] in fixture.gradients);
    for (const input of wrt) input.requiresGrad = true;
    const cotangent = this.upload(fixture.cotangent);
    const { y, found } = this.gpu.scope(() => {
      const output = run(inputs, fixture.attributes);
      return { y: output, found: backward(output, wrt, cotangent) };
    });
    await this.assertEqual(y, fixture.output);
    for (const [index, name] of names.entries()) {
      const expected = fixture.gradients[name];
      if (!expected) continue;
      const gradient = found.get(inputs[index]);
      assert.ok(gradient, `${expected} is missing`);
      if (gradient) await this.assertEqual(gradient, expected);
    }
    for (const tensor of [y, cotangent, ...inputs, ...found.values()]) tensor.dispose();
  }

  /** One test per op, over the cases that `select` keeps. */
  testOps(
    suite: Test,
    ops: Readonly<Record<string, RunOp>>,
    select: (index: number) => boolean = () => true,
  ): void {
    for (const [op, run] of Object.entries(ops)) {
      suite(op, async () => {
        const selected = this.cases.filter((fixture) => fixture.op === op);
        assert.ok(selected.length > 0, 'no cases');
        for (const [index, fixture] of selected.entries()) {
          if (select(index)) await this.check(fixture, run);
        }
      });
    }
  }
}
