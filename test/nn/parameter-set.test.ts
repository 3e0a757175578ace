/** Parameters are parts of arenas: what holds their memory. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { add } from '../../src/autograd/ops/arithmetic.ts';
import { GpuError } from '../../src/errors.ts';
import { ParameterSet } from '../../src/nn/parameter-set.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('parameter set');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

/** Two parameters of five values, `first` and one more each. */
function parameters(first: number): ParameterSet {
  const declare = (name: string, value: number) => ({
    name,
    shape: [5],
    initialise: () => new Float32Array(5).fill(value),
  });
  return new ParameterSet(gpu, [declare('a', first), declare('b', first + 1)]);
}

suite('what was recorded reads a network that was disposed of before it ran', async () => {
  const before = gpu.memory().liveBytes;
  const set = parameters(10);
  const sum = add(set.get('a'), set.get('b'));
  set.dispose();
  // Written at once: it must not lie where the sum still looks for its terms.
  const other = parameters(-3);
  assert.equal([...(await sum.read())], new Array(5).fill(21));
  assert.equal([...((await other.read()).get('b') ?? [])], new Array(5).fill(-2));
  other.dispose();
  gpu.dispose(sum.storage);
  assert.is(gpu.memory().liveBytes, before, 'and all memory is given back then');
});

suite('an arena is not overwritten while work with a part of it waits', async () => {
  const set = parameters(1);
  const sum = add(set.get('a'), set.get('a'));
  assert.throws(
    () => set.write(new Map(['a', 'b'].map((name) => [name, new Float32Array(5)]))),
    (error: unknown) => error instanceof GpuError && error.reason === 'validation',
  );
  assert.equal([...(await sum.read())], new Array(5).fill(2));
  set.write(new Map(['a', 'b'].map((name) => [name, new Float32Array(5)])));
  set.dispose();
  gpu.dispose(sum.storage);
});

suite.run();
