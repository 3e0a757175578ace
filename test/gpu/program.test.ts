/** Programs: commands that are submitted again, and when they may be. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { elementwiseBinary } from '../../kernels/elementwise.ts';
import { GpuError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Program } from '../../src/gpu/program.ts';
import { recordProgram } from '../../src/gpu/record-program.ts';
import type { Storage } from '../../src/gpu/storage.ts';
import { openNodeGpu } from '../../src/node.ts';

const COUNT = 256;
const suite = createSuite('programs');
let gpu: Gpu;
suite.before.each(async () => {
  gpu = await openNodeGpu();
});
suite.after.each(() => gpu.close());

const filled = (value: number): Float32Array => new Float32Array(COUNT).fill(value);

function kept(value: number): Storage {
  const storage = gpu.upload(filled(value));
  gpu.keep(storage);
  return storage;
}

async function onlyValue(storage: Storage): Promise<number> {
  const values = new Float32Array(await gpu.read(storage, COUNT));
  assert.ok(values.every((value) => value === values[0]));
  return values[0];
}

/** result = (input + step) + 10, where (input + step) is scratch; the step is 1 when it is recorded. */
function sumProgram(input: Storage, ten = 10): { result: Storage; program: Program } {
  return recordProgram(gpu, () => {
    const result = gpu.allocate(COUNT * 4);
    gpu.keep(result);
    gpu.scope(() => {
      const step = gpu.uploadEachTime((moment) => filled(moment?.step ?? 1));
      const sum = gpu.allocate(COUNT * 4);
      const add = elementwiseBinary('add', COUNT);
      gpu.run(add, [input, step, sum]);
      gpu.run(add, [sum, gpu.upload(filled(ten)), result]);
    });
    return result;
  });
}

const at = (step: number) => ({ step, learningRate: 0 });

suite('a program computes with what its inputs hold now, and for the step that it is told', async () => {
  const input = kept(100);
  const seen: (number | undefined)[] = [];
  const { result, program } = recordProgram(gpu, () => {
    gpu.eachTime((moment) => seen.push(moment?.step));
    return gpu.copy(input, kept(0), COUNT * 4);
  });
  assert.is(result, undefined);
  await gpu.flush();
  assert.ok(gpu.recorder.replay(program, at(7)));
  await gpu.flush();
  assert.equal(seen, [undefined, 7]);

  const sum = sumProgram(input);
  assert.not(gpu.recorder.replay(sum.program, at(2)), 'before it was submitted');
  assert.is(await onlyValue(sum.result), 111);
  const before = { ...gpu.memory(), groups: gpu.recorder.bindGroupsCreated };
  for (const step of [2, 3]) {
    gpu.write(input, filled(100 * step));
    const submits = gpu.recorder.submits;
    assert.ok(gpu.recorder.replay(sum.program, at(step)));
    const copy = kept(0);
    gpu.copy(sum.result, copy, COUNT * 4);
    assert.is(await onlyValue(copy), 100 * step + step + 10);
    assert.ok(gpu.recorder.submits > submits);
    gpu.dispose(copy);
  }
  assert.is(gpu.recorder.bindGroupsCreated, before.groups);
  assert.is(gpu.memory().liveBytes, before.liveBytes);
});

suite('a replay and what is recorded after it are one submit', async () => {
  const { result, program } = sumProgram(kept(0));
  await gpu.flush();
  const copy = gpu.allocate(COUNT * 4);
  gpu.keep(copy);
  const { submits, dispatches } = gpu.recorder;
  assert.ok(gpu.recorder.replay(program, at(5)));
  gpu.copy(result, copy, COUNT * 4);
  await gpu.flush();
  assert.is(gpu.recorder.submits, submits + 1);
  assert.is(gpu.recorder.dispatches, dispatches + 2);
  assert.is(await onlyValue(copy), 15);
});

suite('memory that is wanted between a replay and its submit is none of the program', async () => {
  const input = kept(0);
  const { result, program } = sumProgram(input);
  await gpu.flush();
  assert.ok(gpu.recorder.replay(program, at(5)));
  // Would be the program's scratch, which it would then overwrite.
  const other = kept(-1);
  assert.is(await onlyValue(result), 15);
  assert.is(await onlyValue(other), -1);

  gpu.dispose(other);
  assert.ok(gpu.recorder.replay(program, at(6)));
  gpu.write(input, filled(1000));
  assert.is(await onlyValue(result), 16, 'written after the replay, so not read by it');
});

suite('a program is refused while others hold its scratch, and taken when they are done', async () => {
  const { result, program } = sumProgram(kept(0));
  await gpu.flush();
  const other = kept(-1);
  assert.not(gpu.recorder.replay(program, at(5)));
  assert.is(await onlyValue(other), -1);
  gpu.dispose(other);
  assert.ok(gpu.recorder.replay(program, at(5)));
  assert.is(await onlyValue(result), 15);
});

suite('a program is refused where its buffers are gone, commands wait, or it was disposed', async () => {
  const input = kept(0);
  const other = kept(0);
  const { program } = sumProgram(input);
  await gpu.flush();
  gpu.clear(other);
  assert.not(gpu.recorder.replay(program, at(5)), 'commands wait');
  await gpu.flush();
  assert.ok(gpu.recorder.replay(program, at(5)));
  assert.not(gpu.recorder.replay(program, at(6)), 'a replay waits');
  assert.throws(
    () => recordProgram(gpu, () => undefined),
    (error: unknown) => error instanceof GpuError && /recorded commands wait/.test(error.message),
  );
  await gpu.flush();
  gpu.trim();
  assert.not(gpu.recorder.replay(program, at(5)), 'its scratch was freed');

  const again = sumProgram(input);
  await gpu.flush();
  gpu.dispose(input);
  assert.not(gpu.recorder.replay(again.program, at(5)), 'its input was released');

  const last = sumProgram(kept(0));
  await gpu.flush();
  const held = gpu.memory().liveBytes;
  last.program.dispose();
  last.program.dispose();
  assert.not(gpu.recorder.replay(last.program, at(5)), 'it was disposed');
  assert.is(held - gpu.memory().liveBytes, 2 * COUNT * 4, 'two uploads were its own');
});

suite('programs are equal if commands, buffers and plain uploads are', async () => {
  const input = kept(0);
  const record = async (ten = 10): Promise<Program> => {
    const { result, program } = sumProgram(input, ten);
    await gpu.flush();
    program.dispose();
    gpu.dispose(result);
    return program;
  };
  await record();
  const first = await record();
  assert.ok(first.equals(await record()));
  assert.not(first.equals(await record(11)), 'another upload');
  const { program } = recordProgram(gpu, () => gpu.clear(input));
  await gpu.flush();
  assert.not(first.equals(program), 'other commands');
});

suite('recorded commands that are dropped make no program', async () => {
  const { program } = sumProgram(kept(0));
  gpu.recorder.reset();
  await gpu.flush();
  assert.not(gpu.recorder.replay(program, at(5)));
});

suite.run();
