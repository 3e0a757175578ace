/** Repeated steps of every method that allows it are the bits of recorded ones. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { openNodeGpu } from '../../src/node.ts';
import type { OptionValues } from '../../src/run/option-values.ts';
import { RepeatedSteps } from '../support/repeated-steps.ts';

const suite = createSuite('repeated steps');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());
// Six levels are the least with dropout between them.
const steps = await RepeatedSteps.open(gpu, 64, 14);

const PROPOSED = { levels: 6, dropout: 0.5, perceptual: 'random-features' };
const CASES: readonly OptionValues[] = [
  { ...PROPOSED, ema: 0.9 },
  { ...PROPOSED, 'lambda-identity': 1, smoothing: 'authors-bug', fakes: 'reuse' },
  { method: 'pix2pix', protocol: 'native', levels: 6, dropout: 0.5 },
  ...(gpu.profile.f16 ? [{ ...PROPOSED, precision: 'f16' }] : []),
];

for (const options of CASES) {
  suite(JSON.stringify(options), async () => {
    const { result, replayed } = await steps.repeated(options);
    assert.ok(replayed.length >= 4, `repeated: ${replayed}`);
    assert.equal(result, await steps.recorded(options));
  });
}

suite.run();
