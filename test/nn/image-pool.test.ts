/** The pool of earlier fakes: what it stores and returns, and how it survives a checkpoint. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { streamId } from '../../src/autograd/philox.ts';
import { tensorFrom } from '../../src/autograd/tensor.ts';
import { CheckpointError, ShapeError, UsageError } from '../../src/errors.ts';
import { ImagePool, poolChoice } from '../../src/nn/image-pool.ts';
import { openNodeGpu } from '../../src/node.ts';

const suite = createSuite('image pool');
const gpu = await openNodeGpu();
suite.after(() => gpu.close());

/** A batch of 2x2 images, each filled with its number. */
const images = (...numbers: number[]) =>
  tensorFrom(
    gpu,
    numbers.flatMap((number) => [number, number, number, number]),
    [numbers.length, 1, 2, 2],
  );

/** The numbers of a batch that a pool returns for these. */
async function exchange(pool: ImagePool, step: number, ...numbers: number[]): Promise<number[]> {
  const result = await pool.exchange(images(...numbers), step).read();
  assert.is(result.length, 4 * numbers.length);
  const seen = numbers.map((_, index) => result.slice(4 * index, 4 * index + 4));
  assert.ok(seen.every((pixels) => pixels.every((pixel) => pixel === pixels[0])));
  return seen.map(([first]) => first);
}

suite('images are stored until it is full, then exchanged for stored ones as drawn', async () => {
  const capacity = 3;
  const pool = new ImagePool(gpu, capacity, 7, 'H');
  const model: number[] = [];
  const swaps = { made: 0, passed: 0 };
  for (let step = 0; step < 12; step++) {
    const batch = [10 * step + 1, 10 * step + 2];
    const expected = batch.map((image, index) => {
      if (model.length < capacity) {
        model.push(image);
        return image;
      }
      const { swap } = poolChoice(7, streamId('pool:H'), step, index, capacity);
      swaps[swap === undefined ? 'passed' : 'made']++;
      if (swap === undefined) return image;
      const old = model[swap];
      model[swap] = image;
      return old;
    });
    assert.equal(await exchange(pool, step, ...batch), expected, `step ${step}`);
    const { shape, data } = await pool.readState();
    assert.equal(shape, [model.length, 1, 2, 2]);
    assert.equal(
      [...data].filter((_, i) => i % 4 === 0),
      model,
    );
  }
  assert.ok(swaps.made > 4 && swaps.passed > 4, JSON.stringify(swaps));
  pool.dispose();
});

suite('draws are even, and differ by seed, pool, step and image', () => {
  const draws = 20_000;
  const places = new Array<number>(4).fill(0);
  let swaps = 0;
  for (let step = 0; step < draws; step++) {
    const { swap } = poolChoice(0, 1, step, 0, 4);
    if (swap === undefined) continue;
    swaps++;
    places[swap]++;
  }
  // Five standard deviations of a fair coin, and of a fair choice among four.
  assert.ok(Math.abs(swaps - draws / 2) < 5 * Math.sqrt(draws / 4), `${swaps} of ${draws}`);
  for (const place of places) {
    assert.ok(Math.abs(place - draws / 8) < 5 * Math.sqrt(draws / 8), `${places}`);
  }
  const sequence = (seed: number, stream: number, image: number) =>
    Array.from({ length: 64 }, (_, step) => poolChoice(seed, stream, step, image, 50).swap).join();
  const all = [sequence(0, 1, 0), sequence(1, 1, 0), sequence(0, 2, 0), sequence(0, 1, 1)];
  assert.is(new Set(all).size, 4);
});

suite('what is returned has no history, and does not change with the pool', async () => {
  const pool = new ImagePool(gpu, 1, 0, 'H');
  const first = images(1);
  first.requiresGrad = true;
  const returned = pool.exchange(first, 0);
  assert.not(returned.requiresGrad);
  for (let step = 1; step < 8; step++) pool.exchange(images(step + 1), step);
  assert.equal([...(await returned.read())], [1, 1, 1, 1]);
  pool.dispose();
});

suite('a pool of none returns what it is given', async () => {
  const pool = new ImagePool(gpu, 0, 0, 'H');
  assert.equal(await exchange(pool, 0, 5, 6), [5, 6]);
  assert.equal((await pool.readState()).shape, [0]);
});

suite('a restored pool goes on as the one that was saved', async () => {
  const [straight, before] = [new ImagePool(gpu, 3, 2, 'L'), new ImagePool(gpu, 3, 2, 'L')];
  const after = new ImagePool(gpu, 3, 2, 'L');
  after.writeState(await new ImagePool(gpu, 3, 2, 'L').readState(), 'empty');
  assert.is(after.count, 0);
  for (let step = 0; step < 10; step++) {
    if (step === 5) after.writeState(await before.readState(), 'saved');
    const expected = await exchange(straight, step, step);
    assert.equal(await exchange(step < 5 ? before : after, step, step), expected, `step ${step}`);
  }
  assert.equal(await after.readState(), await straight.readState());
});

suite('what does not fit is refused', () => {
  const pool = new ImagePool(gpu, 2, 0, 'H');
  pool.exchange(images(1), 0);
  const other = tensorFrom(gpu, [1, 2], [1, 1, 1, 2]);
  assert.throws(
    () => pool.exchange(other, 1),
    (error: Error) => error instanceof ShapeError && /\[2,1,2,2\].*\[1,1,1,2\]/.test(error.message),
  );
  const three = { shape: [3, 1, 2, 2], data: new Float32Array(12) };
  assert.throws(
    () => pool.writeState(three, 'step-5'),
    (error: Error) =>
      error instanceof CheckpointError && /step-5: .*at most 2 images/.test(error.message),
  );
  assert.throws(
    () => new ImagePool(gpu, 1.5, 0, 'H'),
    (error: Error) => error instanceof UsageError && /found 1\.5/.test(error.message),
  );
});

suite.run();
