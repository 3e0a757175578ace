/**
 * Properties that hold for whatever arguments an op is given: either the device agrees with the f64
 * reference, forwards and backwards, to the tolerances of the op's row; or the arguments make no sense
 * and the op refuses them with a ShapeError.
 */
import fc from 'fast-check';
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkDevice, formatMismatch } from '../../src/autograd/gradcheck.ts';
import { RandomStream } from '../../src/autograd/philox.ts';
import { OPS } from '../../src/autograd/registry/index.ts';
import { type HostArray, type OpCase, randomArray } from '../../src/autograd/registry/row.ts';
import { checkReuse } from '../../src/autograd/reuse-check.ts';
import { type Shape, type Tensor, tensorFrom } from '../../src/autograd/tensor.ts';
import { ShapeError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';

/** What a drawn case comes to: arguments of an op, and whether they make sense. */
export interface Drawn {
  /** Whose tolerances hold. */
  readonly row: string;
  readonly inputs: readonly HostArray[];
  /** Told from the op's documentation, independently of its code. */
  readonly isValid: boolean;
  readonly run: OpCase['run'];
  readonly forward: OpCase['forward'];
  readonly backward: OpCase['backward'];
  readonly constant?: readonly number[];
  readonly reduction?: OpCase['reduction'];
  readonly cancels?: OpCase['cancels'];
}

/** One property: how its cases are drawn, and those that once failed. */
export interface Property<Case> {
  readonly name: string;
  readonly arbitrary: fc.Arbitrary<Case>;
  readonly make: (one: Case, random: RandomStream) => Drawn;
  /** Tried first, always: cases at an edge, and shrunk cases of old failures. */
  readonly always?: readonly Case[];
}

/** A property whose type of cases is hidden. */
export interface AnyProperty {
  readonly name: string;
  add(suite: Test, gpu: Gpu, effort: Effort): void;
}

export interface Effort {
  readonly seed: number;
  readonly runs: number;
  /** Seconds after which no further case is begun. */
  readonly limit: number;
  /** Also what happens when op and inputs are used more than once: other kernels, so dear. */
  readonly reuse?: boolean;
}

export function property<Case>(definition: Property<Case>): AnyProperty {
  const { name, arbitrary, make, always = [] } = definition;
  return {
    name,
    add: (suite, gpu, { seed, runs, limit, reuse = false }) => {
      suite(`${name}: device and reference agree, or the op refuses`, async () => {
        const drawn = { valid: 0, refused: 0, late: 0 };
        // Not fast-check's own limit, which leaves the running case to run on beside the next test.
        const deadline = performance.now() + limit * 1000;
        const before = gpu.memory().liveBytes;
        const check = async (one: Case): Promise<void> => {
          if (performance.now() > deadline) {
            drawn.late++;
            return;
          }
          const random = new RandomStream(seed, `${name} ${JSON.stringify(one)}`);
          const made = make(one, random);
          if (made.isValid) await assertAgreement(gpu, made, random, reuse);
          else assertRefused(gpu, made);
          drawn[made.isValid ? 'valid' : 'refused']++;
          assert.is(gpu.memory().liveBytes, before, 'device memory is leaked');
        };
        await fc.assert(fc.asyncProperty(arbitrary, check), {
          seed,
          numRuns: runs + always.length,
          examples: always.map((one): [Case] => [one]),
          includeErrorInReport: true,
        });
        const late = drawn.late ? `, ${drawn.late} not tried within ${limit} s` : '';
        console.log(`${name}: ${drawn.valid} agreed, ${drawn.refused} were refused${late}`);
        assert.ok(drawn.valid > 0, 'no valid case was drawn');
      });
    },
  };
}

async function assertAgreement(
  gpu: Gpu,
  made: Drawn,
  random: RandomStream,
  reuse: boolean,
): Promise<void> {
  const row = OPS.find(({ name }) => name === made.row);
  if (!row) throw new Error(`no op ${made.row}`);
  const op: OpCase = {
    label: made.row,
    inputs: made.inputs,
    constant: made.constant ?? [],
    reduction: made.reduction ?? { forward: 1, backward: 1 },
    skipGradcheck: true,
    cancels: made.cancels,
    run: made.run,
    forward: made.forward,
    backward: made.backward,
  };
  const mismatch =
    (await checkDevice(gpu, op, row.tolerance, random)) ??
    (reuse ? await checkReuse(gpu, op, row.tolerance.backward, random) : undefined);
  assert.not(mismatch, mismatch && formatMismatch(mismatch));
}

function assertRefused(gpu: Gpu, { inputs, run }: Drawn): void {
  gpu.scope(() => {
    const tensors = inputs.map(
      ({ data, shape }): Tensor => tensorFrom(gpu, Float32Array.from(data), shape),
    );
    try {
      run(tensors);
    } catch (error) {
      assert.instance(error, ShapeError, `refused with ${String(error)}`);
      return;
    }
    assert.unreachable('arguments that make no sense are accepted');
  });
}

/** A case's arrays. */
export const draw = (random: RandomStream, ...shapes: readonly Shape[]): HostArray[] =>
  shapes.map((shape) => randomArray(random, shape));
