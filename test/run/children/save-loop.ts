/**
 * Child process of the kill test: saves checkpoints until it is killed, reporting each on stdout.
 * Arguments: run folder, first step, `same` to write every second step twice.
 */
import { saveCheckpoint } from '../../../src/run/checkpoint.ts';

const [runDir = '', firstStep = '0', mode = ''] = process.argv.slice(2);
for (let step = Number(firstStep); ; step++) {
  // Values depend on the step, so a mixture of two checkpoints would show.
  const tensors = (scale: number) =>
    new Map([
      [
        'w',
        {
          dtype: 'F32' as const,
          shape: [50_000],
          data: new Float32Array(50_000).fill(step * scale),
        },
      ],
    ]);
  const files = { G_H: tensors(1), D_H: tensors(2), optimizer: tensors(3) };
  const state = {
    step,
    epoch: 0,
    batchIndex: step,
    architecture: { method: 'test' },
    rng: {},
    optimizers: {},
    best: {},
  };
  for (let repeat = 0; repeat < (mode === 'same' ? 2 : 1); repeat++) {
    await saveCheckpoint(runDir, step, files, state, { keep: 1 });
    process.stdout.write(`${step}\n`);
  }
}
