import { stripVTControlCharacters } from 'node:util';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { ProgressLine, type ProgressOptions } from '../../src/report/progress.ts';

const suite = createSuite('progress');

/** A progress line on a stream in memory, under a clock that the test moves. */
function record(options: Partial<ProgressOptions> & { isTTY: boolean; columns?: number }) {
  const clock = { milliseconds: 0 };
  const written: string[] = [];
  const { isTTY, columns, ...rest } = options;
  const progress = new ProgressLine({
    label: 'train',
    total: 100,
    now: () => clock.milliseconds,
    stream: { write: (text) => written.push(text), isTTY, columns },
    ...rest,
  });
  return { clock, written, progress };
}

suite('rewrites one line on a terminal, with pace and remaining time', () => {
  const { clock, written, progress } = record({ isTTY: true, columns: 120 });
  for (let step = 1; step <= 3; step++) {
    clock.milliseconds += 2000;
    progress.update(step, { l1: 0.51234, adv: 0.7 });
  }
  assert.is(written.length, 3);
  assert.ok(written.every((text) => text.startsWith('\r\u001b[K') && !text.includes('\n')));
  assert.match(written[2] ?? '', 'train    3/100    3%  l1 0.512  adv 0.700');
  assert.match(written[2] ?? '', '2.00 s/step  3 min 14 s left');
  progress.end();
  progress.end();
  assert.is(written.length, 4);
  assert.is(written[3], '\n');
});

suite('does not rewrite more often than the eye follows, but shows the last step', () => {
  const { clock, written, progress } = record({ isTTY: true });
  for (let step = 1; step <= 100; step++) {
    clock.milliseconds += 5;
    progress.update(step);
  }
  assert.ok(written.length >= 5 && written.length <= 7, `${written.length} writes`);
  assert.match(written.at(-1) ?? '', '100/100  100%');
  assert.match(written.at(-1) ?? '', '5 ms/step  took 0.5 s');
});

suite('writes sparse full lines where there is no terminal', () => {
  const { clock, written, progress } = record({ isTTY: false });
  for (let step = 1; step <= 100; step++) {
    clock.milliseconds += 100;
    progress.update(step, { loss: 1 / step });
  }
  progress.end();
  assert.is(written.length, 11);
  assert.ok(written.every((text) => text.endsWith('\n') && !text.includes('\u001b')));
  assert.match(written[0] ?? '', /^train {4}1\/100/);
  assert.match(written[5] ?? '', ' 50/100   50%  loss 0.0200  100 ms/step  5.0 s left');
});

suite('writes a line every half minute when steps are slow', () => {
  const { clock, written, progress } = record({ isTTY: false, total: 1000 });
  for (let step = 1; step <= 9; step++) {
    clock.milliseconds += 10_000;
    progress.update(step);
  }
  assert.is(written.length, 3);
});

suite('honours NO_COLOR and a dumb terminal', () => {
  const coloured = record({ isTTY: true });
  const plain = record({ isTTY: true, environment: { NO_COLOR: '1' } });
  const empty = record({ isTTY: true, environment: { NO_COLOR: '' } });
  const dumb = record({ isTTY: true, environment: { TERM: 'dumb' } });
  for (const { clock, progress } of [coloured, plain, empty, dumb]) {
    clock.milliseconds += 500;
    progress.update(1);
  }
  assert.match(coloured.written[0] ?? '', '\u001b[2m');
  assert.match(empty.written[0] ?? '', '\u001b[2m');
  assert.not.match(plain.written[0] ?? '', '\u001b[2m');
  assert.match(dumb.written[0] ?? '', /^train[ -~]*\n$/);
});

suite('never exceeds the width of the terminal', () => {
  for (const columns of [12, 30, 50, 80]) {
    const { clock, written, progress } = record({ isTTY: true, columns });
    clock.milliseconds += 500;
    progress.update(7, { generator: 1, discriminator: 2, perceptual: 3, adversarial: 4 });
    const visible = stripVTControlCharacters(written[0] ?? '').replace('\r', '');
    assert.ok(visible.length < columns, `${visible.length} of ${columns}: ${visible}`);
  }
});

suite('lets notes stand above the line', () => {
  const { clock, written, progress } = record({ isTTY: true });
  clock.milliseconds += 500;
  progress.update(1);
  progress.note('validation: PSNR 17.0 dB');
  progress.update(2);
  assert.is(written[1], '\r\u001b[Kvalidation: PSNR 17.0 dB\n');
  assert.is(written.length, 3);
});

suite('counts pace from where a run resumes and prints extremes readably', () => {
  const { clock, written, progress } = record({ isTTY: false, start: 60 });
  clock.milliseconds += 1000;
  progress.update(61, { lr: 3e-4, big: 1234567, zero: 0, broken: Number.NaN });
  assert.match(written[0] ?? '', 'lr 3.0e-4  big 1.2e+6  zero 0  broken NaN  1.00 s/step');
});

suite('needs something to count to', () => {
  assert.throws(() => record({ isTTY: true, total: 0 }), /total must be a positive/);
});

suite.run();
