import { exponentialAverage, exponentialAverageRate } from '../../kernels/exponential-average.ts';
import { ShapeError } from '../errors.ts';
import type { Moment } from '../gpu/moment.ts';
import type { Network } from './network.ts';

/**
 * The decay to use after `step` earlier updates: min(1 - 1/(step+1), decay). So the first update copies,
 * and until step 1/(1-decay) the average is the plain mean of all weights so far: initial weights, which
 * nobody trained, have no share.
 * @param decay in [0, 1)
 */
export function warmedDecay(decay: number, step: number): number {
  return Math.min(1 - 1 / (step + 1), decay);
}

/**
 * Records a ← d·a + (1-d)·x for everything that makes up a network, parameters in one dispatch an arena,
 * buffers (running statistics) in one each.
 * @param average a, of the same architecture as `source`
 * @param decay d, from 0 (copy) to 1 (keep); as a function, of the step that is replayed
 * @throws ShapeError if the networks are not of one architecture
 */
export function averageInto(
  average: Network,
  source: Network,
  decay: number | ((moment?: Moment) => number),
): void {
  const { gpu, arenas } = source.parameters;
  const targets = average.parameters.arenas;
  if (average.parameters.names.join() !== source.parameters.names.join()) {
    throw new ShapeError('an exponential average needs two networks of the same parameters');
  }
  const decayAt = typeof decay === 'number' ? () => decay : decay;
  const rate = gpu.uploadEachTime((moment) => exponentialAverageRate(decayAt(moment)));
  arenas.forEach(({ value, length }, index) => {
    if (targets[index]?.length !== length) {
      throw new ShapeError('an exponential average needs two networks of the same shapes');
    }
    gpu.run(exponentialAverage(length), [value, rate, targets[index].value]);
  });
  for (const [name, { storage, size }] of source.buffers) {
    const target = average.buffers.get(name);
    if (target?.size !== size) {
      throw new ShapeError(`an exponential average needs a buffer ${name} of ${size} values`);
    }
    gpu.run(exponentialAverage(size), [storage, rate, target.storage]);
  }
}

/**
 * Records copying everything that makes up a network.
 * @param target of the same architecture as `source`
 */
export function copyNetwork(target: Network, source: Network): void {
  const { gpu, arenas } = source.parameters;
  arenas.forEach(({ value, length }, index) => {
    gpu.copy(value, target.parameters.arenas[index].value, length * 4);
  });
  for (const [name, { storage, size }] of source.buffers) {
    const buffer = target.buffers.get(name);
    if (!buffer) throw new ShapeError(`no buffer ${name} to copy to`);
    gpu.copy(storage, buffer.storage, size * 4);
  }
}
