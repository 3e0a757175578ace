/** Repeated steps of every method that allows it are the bits of recorded ones. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { openNodeGpu } from '../../src/node.ts';
import type { OptionValues } from '../../src/run/option-values.ts';
import { differences, RepeatedSteps } from '../support/repeated-steps.ts';

const suite = createSuite('repeated steps');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
// Six levels are the least with dropout between them.
const large = await RepeatedSteps.open(gpu, 64, 14);
const small = await RepeatedSteps.open(gpu, 32, 10);

const PROPOSED = { levels: 6, dropout: 0.5, perceptual: 'random-features' };
const CASES: readonly [RepeatedSteps, OptionValues][] = [
  [large, { ...PROPOSED, ema: 0.9 }],
  [large, { ...PROPOSED, 'lambda-identity': 1, smoothing: 'authors-bug', fakes: 'reuse' }],
  [large, { method: 'pix2pix', protocol: 'native', levels: 6, dropout: 0.5 }],
  [small, { method: 'cyclegan', protocol: 'native', blocks: 1, 'pool-size': 3, ema: 0.9 }],
  [small, { method: 'stable-cyclegan', protocol: 'native', blocks: 1, 'pool-size': 3 }],
  [small, { method: 'reggan', mode: 'C+R', blocks: 1, 'pool-size': 3, nrf: 2 }],
  [small, { method: 'reggan', mode: 'NC+R', blocks: 1, nrf: 2 }],
  ...(gpu.profile.f16
    ? ([[large, { ...PROPOSED, precision: 'f16' }]] satisfies [RepeatedSteps, OptionValues][])
    : []),
];

for (const [steps, options] of CASES) {
  suite(JSON.stringify(options), async () => {
    const { result, replayed } = await steps.repeated(options);
    assert.ok(replayed.length >= 3, `repeated: ${replayed}`);
    assert.equal(differences(result, await steps.recorded(options)), []);
  });
}

suite.run();
