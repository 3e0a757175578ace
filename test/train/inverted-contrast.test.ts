/** The watch for generators that have agreed on inverted contrast. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { correlation, InvertedContrast } from '../../src/train/inverted-contrast.ts';

const suite = createSuite('inverted contrast');

const ramp = (of: (i: number) => number) => Float32Array.from({ length: 16 }, (_, i) => of(i));
const high = ramp((i) => i / 16);

function images(enhanced: Float32Array, low = high) {
  return [{ name: 'a', organ: 'b', size: 4, low, enhanced, high }];
}

suite('correlation is that of Pearson', () => {
  assert.ok(
    Math.abs(
      correlation(
        high,
        ramp((i) => 3 * i - 1),
      ) - 1,
    ) < 1e-12,
  );
  assert.ok(
    Math.abs(
      correlation(
        high,
        ramp((i) => -i),
      ) + 1,
    ) < 1e-12,
  );
  assert.is(
    correlation(
      high,
      ramp(() => 0.5),
    ),
    0,
  );
  const [a, b] = [Float32Array.of(1, 2, 3, 5), Float32Array.of(2, 1, 5, 4)];
  // statistics.correlation of Python 3.11
  assert.ok(Math.abs(correlation(a, b) - 0.641427) < 1e-6);
});

suite('it is told once, after the second validation in a row', () => {
  const watch = new InvertedContrast();
  const inverted = images(ramp((i) => 1 - i / 16));
  assert.is(watch.note(inverted), undefined);
  assert.is(watch.note(images(high)), undefined);
  assert.is(watch.note(inverted), undefined);
  assert.match(
    watch.note(inverted) ?? '',
    /inverted.*by -1\.00, low-quality ones by 1\.00.*--seed/,
  );
  assert.is(watch.note(inverted), undefined);
});

suite('nothing is said of no pictures, or of pairs that are inverted themselves', () => {
  const watch = new InvertedContrast();
  const inverted = ramp((i) => 1 - i / 16);
  for (let i = 0; i < 4; i++) {
    assert.is(watch.note([]), undefined);
    assert.is(watch.note(images(inverted, inverted)), undefined);
  }
});

suite.run();
