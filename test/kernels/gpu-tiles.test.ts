/** How the GPU variants cut their work: within WebGPU's default limits, and nothing left out. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { fileName, kernelFiles } from '../../bench/codegen/variants.ts';
import {
  chooseGradientTile,
  chooseSplits,
  chooseTile,
  tileBytes,
  tileCount,
  tilesFor,
  tileThreads,
} from '../../kernels/conv2d/gpu/tile.ts';

const suite = createSuite('tiles for GPUs');

/** Sizes around every threshold, and some in between. */
const SIZES = [1, 3, 8, 9, 31, 32, 33, 63, 64, 65, 100, 128, 129, 200, 512, 1000, 4096, 100_000];

suite('every tile fits the default limits and has whole subgroups of 32', () => {
  for (const rows of SIZES) {
    for (const tile of [
      ...tilesFor(rows),
      ...SIZES.map((columns) => chooseGradientTile(rows, columns)),
    ]) {
      assert.ok(tileThreads(tile) <= 256 && tileThreads(tile) % 32 === 0);
      assert.ok(tileBytes(tile) <= 16384);
    }
  }
});

suite('every choice fits the default limits and covers all steps with no part idle', () => {
  for (const rows of SIZES) {
    for (const columns of SIZES) {
      const tile = chooseTile(rows, columns);
      const label = `${rows} × ${columns}`;
      assert.ok(tileThreads(tile) <= 256, label);
      assert.ok(tileBytes(tile) <= 16384, label);
      assert.ok(tile.columnThreads >= tile.rowThreads && tile.columnThreads % 4 === 0, label);
      const invocations = tileCount(tile, rows, columns) * tileThreads(tile);
      for (const steps of SIZES) {
        const length = rows * columns;
        const splits = chooseSplits({ invocations, steps, terms: 256 * steps, length });
        const each = Math.ceil(steps / splits);
        assert.ok(splits >= 1 && splits * each >= steps, `${label}, ${steps} steps`);
        assert.ok((splits - 1) * each < steps, `${label}, ${steps} steps: a part without work`);
        // A binding of partial results stays below the default 128 MiB.
        assert.ok(splits === 1 || splits * length * 4 <= 2 ** 27, `${label}, ${steps} steps`);
      }
    }
  }
});

suite('bench:codegen names every kernel once, with one entry point each', () => {
  const names = new Set<string>();
  let count = 0;
  for (const file of kernelFiles()) {
    count++;
    names.add(fileName(file));
    assert.is(file.code.match(/@compute/g)?.length, 1, fileName(file));
    assert.match(file.code, /fn main\(/);
    assert.ok((file.code.match(/var<storage/g)?.length ?? 0) <= 8, fileName(file));
    assert.match(fileName(file), /^[\w-]+\.[\w-]+\.[\w-]+\.wgsl$/);
  }
  assert.ok(count > 100);
  assert.is(names.size, count, 'two kernels share a name');
});

suite.run();
