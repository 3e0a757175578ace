/** Whatever can be trained can be enhanced with: the table of generators has every method. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { GENERATORS } from '../../src/methods/generators.ts';
import { METHODS } from '../../src/methods/methods.ts';

const suite = createSuite('generators');

suite('every method has its generator in the table, and no other', async () => {
  assert.equal([...GENERATORS.keys()].sort(), METHODS.map(({ name }) => name).sort());
  for (const { name, generator } of METHODS) {
    assert.is(await GENERATORS.get(name)?.(), generator, name);
  }
});

suite.run();
