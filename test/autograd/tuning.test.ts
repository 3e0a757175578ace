/** The tuner on real convolutions: every variant against the default, choices, records, the budget. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { NO_EPILOGUE } from '../../kernels/conv2d/epilogue.ts';
import type { ConvGeometry, ConvolutionPass } from '../../kernels/conv2d/geometry.ts';
import { shapeClass } from '../../kernels/conv2d/shape-class.ts';
import { convolutionVariants } from '../../kernels/conv2d/variants.ts';
import type { ElementType } from '../../kernels/element-types.ts';
import type { AdapterProfile, Plan } from '../../kernels/kernel.ts';
import { backward } from '../../src/autograd/backward.ts';
import { conv2d } from '../../src/autograd/ops/conv2d.ts';
import { scale } from '../../src/autograd/ops/scale.ts';
import { tensorFrom } from '../../src/autograd/tensor.ts';
import { type SurveyedClass, surveyProgram } from '../../src/autograd/tuning/survey.ts';
import { tuneConvolutions, useRecordedChoices } from '../../src/autograd/tuning/tune.ts';
import { GpuError } from '../../src/errors.ts';
import { KernelChoices } from '../../src/gpu/choices.ts';
import { Gpu, type GpuOptions } from '../../src/gpu/gpu.ts';
import type { Storage } from '../../src/gpu/storage.ts';
import { memoryTuningStore } from '../../src/gpu/tuning/memory-store.ts';
import { type TuningStore, textHash } from '../../src/gpu/tuning/records.ts';
import { openNodeGpu } from '../../src/node.ts';
import {
  assertVariantsAgree,
  squareGeometry as geometry,
} from '../support/convolution-contests.ts';

const suite = createSuite('kernel choice');
const opened = await openNodeGpu();
suite.after(() => opened.close());

const made: Gpu[] = [];
suite.after.each(() => {
  for (const gpu of made.splice(0)) gpu.close();
});

/** The same device with other options. */
function gpuWith(options: GpuOptions): Gpu {
  const { device, keepAlive, profile } = opened;
  const gpu = new Gpu(device, profile, { keepAlive, ownsDevice: false, ...options });
  made.push(gpu);
  return gpu;
}

const PASSES: readonly ConvolutionPass[] = ['forward', 'data-gradient', 'weight-gradient'];

/** A 3×3 convolution with a gradient, and one of few pixels. Each has two variants, or none but one. */
function program(gpu: Gpu, size = 8, elementType: ElementType = 'f32'): void {
  gpu.scope(() => {
    const ones = (shape: number[]) =>
      tensorFrom(gpu, new Float32Array(shape.reduce((a, b) => a * b)).fill(0.5), shape);
    const stored = (shape: number[]) => scale(ones(shape), 1, elementType);
    const x = stored([1, 16, size, size]);
    const w = ones([16, 16, 3, 3]);
    for (const tensor of [x, w]) tensor.requiresGrad = true;
    const y = conv2d(x, w, undefined, { padding: 1 });
    backward(y, [x, w], stored([1, 16, size, size]));
    conv2d(stored([1, 32, 4, 4]), ones([16, 32, 3, 3]), undefined, { stride: 2, padding: 1 });
  });
}

/** The classes of the program that have a choice. */
function choicesOf(gpu: Gpu): Map<string, SurveyedClass> {
  return new Map([...surveyProgram(gpu, program)].filter(([, c]) => c.variants.length > 1));
}

const quiet = { log: () => undefined };

suite('the first variant is what was always taken, and names say what is', () => {
  const cpu: AdapterProfile = { kind: 'cpu', subgroupSize: 8, f16: false };
  const names = (g: ConvGeometry, profile: AdapterProfile, pass: ConvolutionPass = 'forward') =>
    convolutionVariants({ pass, geometry: g, epilogue: NO_EPILOGUE }, profile).map(
      ({ name }) => name,
    );
  assert.equal(names(geometry(1, 64, 32, 64), cpu), ['winograd', 'direct']);
  assert.equal(names(geometry(1, 16, 8, 16), cpu), ['direct', 'winograd']);
  assert.equal(names(geometry(1, 17, 8, 16), cpu), ['direct', 'winograd']);
  assert.equal(names(geometry(1, 17, 8, 16), cpu, 'weight-gradient'), ['direct', 'winograd']);
  assert.equal(names(geometry(1, 64, 4, 64, 4, 2), cpu), ['small-maps', 'direct', 'winograd']);
  assert.equal(names(geometry(2, 64, 4, 64, 4, 2), cpu), ['small-maps', 'direct', 'winograd']);
  assert.equal(names(geometry(5, 64, 4, 64, 4, 2), cpu), ['direct', 'winograd']);
  assert.equal(names(geometry(2, 64, 4, 64, 4, 2), cpu, 'weight-gradient')[0], 'small-maps');
  assert.equal(names(geometry(1, 64, 32, 64), { ...cpu, subgroupSize: 0 }), ['direct']);
  const slice = { first: 0, channels: 128 };
  const sliced = { pass: 'forward', geometry: geometry(1, 64, 4, 64, 4, 2), slice } as const;
  assert.equal(
    convolutionVariants({ ...sliced, epilogue: NO_EPILOGUE }, cpu).map(({ name }) => name),
    ['direct', 'winograd'],
  );

  assert.equal(names(geometry(4, 512, 31, 1, 4), cpu)[0], 'tap-planes');
  assert.equal(names(geometry(4, 1, 64, 16, 4, 2), cpu, 'data-gradient')[0], 'tap-planes');
  assert.equal(names(geometry(1, 1, 8, 16, 4, 2), cpu, 'data-gradient'), ['direct', 'tap-planes']);
  assert.not(names(geometry(4, 512, 31, 1, 4, 2), cpu).includes('tap-planes'), 'stride 2');
  assert.not(names(geometry(4, 8, 31, 512, 4), cpu, 'data-gradient').includes('tap-planes'));

  const gpu: AdapterProfile = { kind: 'gpu', subgroupSize: 0, f16: false };
  const tiles = names(geometry(4, 64, 16, 128), gpu);
  assert.is(tiles[0], 'tiles');
  assert.ok(tiles.includes('tiles uncut') && tiles.includes('64x64x16'), tiles.join());
  assert.is(tiles.at(-1), 'direct');
  assert.not(tiles.includes('winograd'));
});

suite('shapes that are alike are one class, others are not', () => {
  const of = (g: ConvGeometry, pass: ConvolutionPass = 'forward') =>
    shapeClass({ pass, geometry: g, epilogue: NO_EPILOGUE });
  assert.is(of(geometry(4, 60, 16, 64)), of(geometry(4, 64, 15, 72)));
  assert.is.not(of(geometry(4, 61, 16, 64)), of(geometry(4, 64, 16, 64)), 'no vec4s');
  assert.is.not(of(geometry(1, 64, 16, 64)), of(geometry(4, 64, 16, 64)));
  assert.is.not(of(geometry(1, 64, 16, 64)), of(geometry(1, 64, 16, 128)));
  assert.is.not(of(geometry(1, 3, 16, 64)), of(geometry(1, 4, 16, 64)));
  assert.is.not(of(geometry(1, 64, 16, 64)), of(geometry(1, 64, 16, 64), 'data-gradient'));
  assert.is.not(of(geometry(1, 64, 16, 64)), of(geometry(1, 64, 16, 64, 4, 2)));
});

suite('classes tell how activations are stored', () => {
  const of = (x: ElementType, y: ElementType) =>
    shapeClass({
      pass: 'forward',
      geometry: geometry(1, 64, 16, 64),
      epilogue: NO_EPILOGUE,
      elementTypes: [x, y],
    });
  const wide = of('f32', 'f32');
  assert.is(of('f32', 'f16'), `${wide} f32>f16`);
  assert.is(of('f16', 'f16'), `${wide} f16>f16`);
});

suite('a weight gradient is refused without the ways to make it', () => {
  const cpu: AdapterProfile = { kind: 'cpu', subgroupSize: 8, f16: false };
  const request = { pass: 'weight-gradient', geometry: geometry(1, 8, 8, 8) } as const;
  const [first] = convolutionVariants({ ...request, epilogue: NO_EPILOGUE }, cpu);
  assert.throws(() => first.plan(), /without the ways to make it/);
});

suite('every variant agrees with the default', async () => {
  const geometries = [
    geometry(2, 16, 8, 16),
    geometry(1, 12, 4, 24, 4, 2),
    geometry(2, 20, 11, 1, 3),
    { ...geometry(1, 16, 9, 1, 4), paddingMode: 'reflect' as const },
    geometry(2, 3, 13, 8, 3, 2),
    { ...geometry(1, 1, 17, 12, 5, 3), padding: 2 },
  ];
  await assertVariantsAgree(opened, geometries);
});

suite('a survey records without computing', () => {
  const before = { ...opened.memory(), submits: opened.recorder.submits };
  const found = surveyProgram(opened, program);
  const names = [...found.keys()];
  for (const pass of PASSES) assert.ok(names.some((name) => name.startsWith(`${pass} 3x3`)));
  assert.ok(names.some((name) => name.startsWith('forward 3x3s2')));
  assert.equal({ ...opened.memory(), submits: opened.recorder.submits }, before);
  const [first] = found.values();
  assert.is(first.uses, 1);
  const twice = surveyProgram(opened, (gpu) => {
    program(gpu);
    program(gpu);
  });
  assert.is([...twice.values()][0].uses, 2);
});

suite('choices are measured once, remembered, and used', async () => {
  const store = memoryTuningStore();
  const log: string[] = [];
  const first = gpuWith({ tune: 'on', tuningStore: store });
  let samples = 0;
  // Whatever is timed second of two is the faster one.
  const stopwatch = async () => (samples++ % 2 ? 10 : 100);
  await tuneConvolutions(first, program, { log: (line) => log.push(line), stopwatch });
  const chosen = first.choices.toJSON();
  const names = Object.keys(chosen);
  assert.ok(names.length >= 4, names.join());
  assert.ok(samples > 0);
  for (const [name, { variants }] of choicesOf(first)) {
    assert.is(chosen[name], variants[1], name);
  }
  assert.match(log.at(-1) ?? '', new RegExp(`${names.length} measured .* ${names.length} leave`));

  const second = gpuWith({ tune: 'on', tuningStore: store });
  await tuneConvolutions(second, program, { log: (line) => log.push(line), stopwatch: refuse });
  assert.equal(second.choices.toJSON(), chosen);
  assert.match(log.at(-1) ?? '', / 0 measured/);

  const forced = gpuWith({ tune: 'force', tuningStore: store });
  await tuneConvolutions(forced, program, { ...quiet, stopwatch: async () => 1 });
  assert.is.not(forced.choices.toJSON()[names[0]], chosen[names[0]]);

  const otherDriver = gpuWith({ tune: 'on', tuningStore: store, identity: 'driver 2' });
  let measured = 0;
  const count = async () => {
    measured++;
    return 1;
  };
  await tuneConvolutions(otherDriver, program, { ...quiet, stopwatch: count });
  assert.ok(measured > 0, 'another driver is measured anew');

  const off = gpuWith({ tuningStore: store });
  await tuneConvolutions(off, program, { ...quiet, stopwatch: refuse });
  assert.equal(off.choices.toJSON(), {});
});

async function refuse(): Promise<number> {
  throw new Error('nothing was to be measured');
}

if (opened.profile.f16) {
  const halfProgram = (gpu: Gpu): void => program(gpu, 8, 'f16');

  suite('f16 is measured by kernels over f16, and remembered beside f32', async () => {
    const store = memoryTuningStore();
    const first = gpuWith({ tune: 'on', tuningStore: store });
    await tuneConvolutions(first, program, { ...quiet, stopwatch: async () => 1 });
    const second = gpuWith({ tune: 'on', tuningStore: store });
    const kernels = new Set<string>();
    const runPlan = second.runPlan.bind(second);
    Object.assign(second, {
      runPlan: (plan: Plan, inputs: readonly Storage[], outputs: readonly Storage[]) => {
        kernels.add([...inputs, ...outputs].map(({ elementType }) => elementType).join());
        runPlan(plan, inputs, outputs);
      },
    });
    let samples = 0;
    const stopwatch = async (work: () => Promise<void>) => {
      await work();
      return samples++ % 2 ? 10 : 100;
    };
    const log: string[] = [];
    await tuneConvolutions(second, halfProgram, { log: (line) => log.push(line), stopwatch });
    assert.equal([...kernels].sort(), ['f16,f16,f32', 'f16,f32,f16']);
    const chosen = second.choices.toJSON();
    assert.ok(Object.keys(chosen).length >= 4);
    const wide = first.choices.toJSON();
    for (const [name, variant] of Object.entries(chosen)) {
      assert.match(name, / f16>f16$/);
      assert.is.not(variant, wide[name.replace(/ f16>f16$/, '')], name);
    }
    assert.equal(
      log.filter((line) => line.includes('struck off')),
      [],
    );
    const again = gpuWith({ tune: 'on', tuningStore: store });
    await tuneConvolutions(again, halfProgram, { ...quiet, stopwatch: refuse });
    assert.equal(again.choices.toJSON(), chosen);
  });

  suite('a run over f16 from before it had classes of its own keeps its kernels', () => {
    const gpu = gpuWith({});
    const [[name, { variants }]] = choicesOf(gpu);
    useRecordedChoices(gpu, halfProgram, { [name]: variants[1] });
    assert.is(gpu.choices.get(`${name} f16>f16`), variants[1]);
    useRecordedChoices(gpu, halfProgram, { [name]: variants[1], 'forward f32>f16': 'direct' });
    assert.is(gpu.choices.get(`${name} f16>f16`), undefined);
  });
}

suite('records of other code or of variants that are gone are stale', async () => {
  const inner = memoryTuningStore();
  const spoil = (change: (text: string) => string): TuningStore => ({
    ...inner,
    read: async (key) => {
      const text = await inner.read(key);
      return text && change(text);
    },
  });
  await tuneConvolutions(gpuWith({ tune: 'on', tuningStore: inner }), program, {
    ...quiet,
    stopwatch: async () => 1,
  });
  for (const change of [
    (text: string) => text.replaceAll(' #', ' #x'),
    (text: string) => text.replaceAll('"variant": "direct"', '"variant": "gone"'),
  ]) {
    let measured = 0;
    await tuneConvolutions(gpuWith({ tune: 'on', tuningStore: spoil(change) }), program, {
      ...quiet,
      stopwatch: async () => {
        measured++;
        return 1;
      },
    });
    assert.ok(measured > 0);
  }
});

suite('a choice holds for a size only after a comparison there', async () => {
  const store = memoryTuningStore();
  const gpu = gpuWith({ tune: 'on', tuningStore: store });
  let samples = 0;
  const stopwatch = async () => (samples++ % 2 ? 10 : 100);
  await tuneConvolutions(gpu, program, { ...quiet, stopwatch });
  const chosen = gpu.choices.toJSON();

  // The same classes by their rounded sizes; nothing is timed again, but compared.
  const both = (blank: Gpu): void => {
    program(blank);
    program(blank, 7);
  };
  const [text] = await textsOf(store, gpu);
  assert.not(text.includes('1x16x7x7'));
  const late = gpuWith({ tune: 'on', tuningStore: store });
  await tuneConvolutions(late, both, { ...quiet, budget: 0, stopwatch: refuse });
  const forward = Object.keys(chosen).find((name) => name.startsWith('forward 3x3')) ?? '';
  assert.is(chosen[forward], 'winograd');
  assert.is(late.choices.get(forward), undefined, 'not compared yet');
  const next = gpuWith({ tune: 'on', tuningStore: store });
  await tuneConvolutions(next, both, { ...quiet, stopwatch: refuse });
  assert.equal(next.choices.toJSON(), chosen);
  assert.ok((await textsOf(store, gpu))[0].includes('1x16x7x7'));
});

suite('a budget of nothing leaves every default, for a later start', async () => {
  const store = memoryTuningStore();
  const log: string[] = [];
  const gpu = gpuWith({ tune: 'on', tuningStore: store });
  const options = { log: (line: string) => log.push(line), budget: 0, stopwatch: refuse };
  await tuneConvolutions(gpu, program, options);
  const classes = choicesOf(gpu);
  assert.equal(gpu.choices.toJSON(), {});
  assert.match(log.at(-1) ?? '', new RegExp(`${classes.size} left for a later start`));
  await tuneConvolutions(gpu, program, { ...quiet, stopwatch: async () => 1 });
  assert.is((await textsOf(store, gpu)).length, 1);
  assert.is(Object.keys(gpu.choices.toJSON()).length, classes.size);
});

/** What a store holds of the adapter. */
async function textsOf(store: TuningStore, { identity }: Gpu): Promise<string[]> {
  const text = await store.read(textHash(identity));
  return text === undefined ? [] : [text];
}

suite('time is kept on a real clock', async () => {
  const gpu = gpuWith({ tune: 'on', tuningStore: memoryTuningStore() });
  const start = performance.now();
  const budget = 2500;
  await tuneConvolutions(gpu, program, { ...quiet, budget });
  // What was begun ends: one sample, or one check.
  assert.ok(performance.now() - start < budget + 1500, `${performance.now() - start} ms`);
});

suite('a chosen variant is the one that runs, and gives the same result', async () => {
  const results: Float32Array[] = [];
  const kernels: number[] = [];
  for (const variant of ['direct', 'winograd']) {
    const gpu = gpuWith({});
    const request = {
      pass: 'forward',
      geometry: geometry(1, 16, 8, 16),
      epilogue: NO_EPILOGUE,
      isFrozen: false,
    } as const;
    gpu.choices = new KernelChoices({ [shapeClass(request)]: variant });
    const noise = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * i));
    const x = tensorFrom(gpu, noise(1024), [1, 16, 8, 8]);
    const w = tensorFrom(gpu, noise(2304), [16, 16, 3, 3]);
    const before = gpu.recorder.dispatches;
    results.push(await gpu.scope(() => conv2d(x, w, undefined, { padding: 1 })).read());
    kernels.push(gpu.recorder.dispatches - before);
  }
  assert.ok(kernels[1] > kernels[0], 'Winograd has more stages');
  results[0].forEach((value, i) => {
    assert.ok(Math.abs(value - results[1][i]) < 1e-4);
  });
});

suite('recorded choices are used, or refused by name', () => {
  const gpu = gpuWith({ tune: 'on' });
  const [[name, { variants }]] = choicesOf(gpu);
  useRecordedChoices(gpu, program, { [name]: variants[1] });
  assert.equal(gpu.choices.toJSON(), { [name]: variants[1] });
  let failure: unknown;
  try {
    useRecordedChoices(gpu, program, { [name]: '128x128x16' });
  } catch (error) {
    failure = error;
  }
  assert.instance(failure, GpuError);
  assert.match(String(failure), new RegExp(`128x128x16' for '${name.slice(0, 8)}.*direct`));
});

suite.run();
