/** Random arguments for the ops, from one seed: a small share of fuzz.slow.test.ts. */
import { suite as createSuite } from 'uvu';
import { openNodeGpu } from '../../src/node.ts';
import { QUICK_CONVOLUTIONS } from './convolutions.ts';
import { REDUCTIONS } from './reductions.ts';
import { RESAMPLING } from './resampling.ts';
import { STRUCTURE } from './structure.ts';
import { TRANSFORMER } from './transformer.ts';

const suite = createSuite('random arguments');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

const SEED = 20261125;

for (const one of QUICK_CONVOLUTIONS) one.add(suite, gpu, { seed: SEED, runs: 40, limit: 14 });
for (const one of [...STRUCTURE, ...REDUCTIONS, ...RESAMPLING, ...TRANSFORMER]) {
  one.add(suite, gpu, { seed: SEED, runs: 25, limit: 5 });
}

suite.run();
