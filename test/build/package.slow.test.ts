/** The packed package as a user gets it: linted, installed, type-checked, run in Node and in a page. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { readImage } from '../../src/data/image.node.ts';
import { encodePng, type GrayImage } from '../../src/data/image.ts';
import { loadGenerator } from '../../src/embed/generator.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { swiftShaderRunsHere } from '../../src/gpu/swiftshader.ts';
import { ENHANCER_PREFIX } from '../../src/methods/method.ts';
import type { HostTensor } from '../../src/nn/host-tensor.ts';
import { readState } from '../../src/nn/network.ts';
import { serializeSafetensors } from '../../src/nn/safetensors.ts';
import { openGpu } from '../../src/node.ts';
import { architectureMetadata } from '../../src/run/architecture-metadata.ts';
import { generatorPlan } from '../../src/run/enhancer.ts';
import { openChromium } from '../browser/chromium.ts';
import { servePage } from '../browser/page.ts';
import { largestDifference, randomImage, tinyGenerator } from '../support/tiny-generator.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(import.meta.url);
const suite = createSuite('package');
const folder = mkdtempSync(join(tmpdir(), 'sonolift-package-'));
const project = join(folder, 'project');
const TOLERANCE = 1e-5;
/** Gzipped bytes of code that a page needs to enhance. */
const INFERENCE_LIMIT = 60_000;
/** The model that a checkout bundles; the demo page serves it from here. */
const MODEL = join(ROOT, 'web', 'public', 'models', 'G_H.safetensors');

interface Ran {
  readonly status: number | null;
  readonly output: string;
}

function run(program: string, args: readonly string[], cwd: string): Ran {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    timeout: 600_000,
    shell: program === 'npm' && process.platform === 'win32',
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { status, output: `${stdout}${stderr}${error ?? ''}` };
}

/** Runs a program of Node's in `cwd` and returns what it printed. */
function runNode(args: readonly string[], cwd: string): string {
  const { status, output } = run(process.execPath, args, cwd);
  assert.is(status, 0, output);
  return output;
}

/** The program of a package that hides its package.json from `require`. */
function programOf(name: string, bin: string): string {
  const manifest = join(ROOT, 'node_modules', name, 'package.json');
  return join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin[bin]);
}

function pack(): string {
  const { status, output } = run('npm', ['pack', '--pack-destination', folder], ROOT);
  assert.is(status, 0, output);
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const tarball = join(folder, `sonolift-${version}.tgz`);
  assert.ok(existsSync(tarball), output);
  return tarball;
}

const tarball = pack();

suite('publint and attw find no fault', () => {
  console.log(runNode([programOf('publint', 'publint'), tarball, '--strict'], ROOT).trim());
  runNode([programOf('@arethetypeswrong/cli', 'attw'), tarball, '--profile', 'esm-only'], ROOT);
});

suite('holds the build, its maps and types, and no sources or tests', () => {
  const { output } = run('tar', ['-tzf', tarball], folder);
  const files = output.trim().split('\n');
  for (const name of [
    'dist/src/index.js',
    'dist/src/index.js.map',
    'dist/src/index.d.ts',
    'LICENSE',
    'dist/src/cli.js',
    ...(existsSync(MODEL) ? ['dist/models/G_H.safetensors'] : []),
  ]) {
    assert.ok(files.includes(`package/${name}`), name);
  }
  const strangers = files.filter(
    (name) => !/^package\/(dist\/|(package\.json|README\.md|LICENSE|CHANGELOG\.md)$)/.test(name),
  );
  assert.equal(strangers, []);
});

/** A program in JavaScript as a user would write it, for Node. */
const NODE_PROGRAM = `
import { readFileSync, writeFileSync } from 'node:fs';
import { GpuError, loadGenerator, openGpu, scoreImages } from 'sonolift';
import * as node from 'sonolift/node';
import { elementwiseActivation } from 'sonolift/kernels';
import { metricNamed } from 'sonolift/metrics';
import { Tensor, tensorFrom } from 'sonolift/nn';
import { PairTrainer, simulatePair } from 'sonolift/train';
if (node.GpuError !== GpuError) throw new Error('two copies of one class');
const gpu = await openGpu();
const input = JSON.parse(readFileSync('image.json', 'utf8'));
const image = { ...input, data: Float32Array.from(input.data) };
const model = await loadGenerator(gpu, readFileSync('G_H.safetensors'));
const out = await model.enhance(image);
writeFileSync('out.json', JSON.stringify([...out.data]));
if (scoreImages(out, out, ['psnr']).psnr !== 100) throw new Error('psnr');
if (metricNamed('ssim').direction !== 'higher') throw new Error('metrics');
if (!(tensorFrom(gpu, [1], []) instanceof Tensor)) throw new Error('nn');
if (elementwiseActivation({ kind: 'relu' }, 8).bindings.length !== 2) throw new Error('kernels');
const pairs = [simulatePair(1, 0, { size: 32 })];
const trainer = new PairTrainer(gpu, pairs, { size: 32, batch: 1, method: { ngf: 2, ndf: 2, levels: 4 } });
const { losses } = await trainer.trainStep();
if (!(losses.G > 0)) throw new Error('train');
gpu.close();
console.log('ran in Node');
`;

/** The same in TypeScript, for the compiler only. */
const TYPED_PROGRAM = `
import { type GrayImage, loadGenerator, openGpu } from 'sonolift';
import { type Kernel, elementwiseActivation } from 'sonolift/kernels';
import { HOST_METRICS } from 'sonolift/metrics';
import { UNet } from 'sonolift/nn';
import { PairTrainer } from 'sonolift/train';
const gpu = await openGpu();
const device: GPUDevice = gpu.device;
const model = await loadGenerator(gpu, 'G_H.safetensors');
const out: GrayImage = await model.enhance(new ImageData(8, 8), { tile: 64 });
const kernel: Kernel = elementwiseActivation({ kind: 'relu' }, 8);
const sum: number = out.data[0] + kernel.workgroups[0] + HOST_METRICS.length;
// @ts-expect-error: a tile is a number, so these types are not any
await model.enhance(out, { tile: 'large' });
export { device, sum, UNet, PairTrainer };
`;

/** What Node alone has, for the compiler only. */
const TYPED_NODE_PROGRAM = `
import { openGpu, readImage, writePng } from 'sonolift/node';
const gpu = await openGpu();
writePng('out.png', await readImage('in.png'));
gpu.close();
`;

const PAGE_PROGRAM = `
import { loadGenerator, openGpu } from 'sonolift';
globalThis.enhance = async (image, address) => {
  const gpu = await openGpu();
  const model = await loadGenerator(gpu, address);
  const out = await model.enhance({ ...image, data: Float32Array.from(image.data) });
  gpu.close();
  return [...out.data];
};
`;

/** An untrained generator of MSPGAN, and what it makes of an image. */
async function untrainedMspgan(gpu: Gpu, image: GrayImage) {
  const architecture = {
    ...{ method: 'mspgan', ngf: 2, blocks: 1, layers: 1, heads: 2 },
    ...{ positions: 4, upsample: 'transposed' },
  };
  const network = (await generatorPlan(architecture, 'test')).make(gpu);
  const tensors = new Map<string, HostTensor>();
  for (const [name, { shape, data }] of await readState(network)) {
    tensors.set(`${ENHANCER_PREFIX}${name}`, { dtype: 'F32', shape: [...shape], data });
  }
  const bytes = serializeSafetensors(tensors, architectureMetadata(architecture));
  const expected = (await (await loadGenerator(gpu, bytes)).enhance(image)).data;
  return { bytes, expected };
}

/** Whether npm failed because there is no way to the registry. */
const isOffline = (output: string) => /ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED/.test(output);

mkdirSync(project);
writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
const install = run(
  'npm',
  ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', tarball],
  project,
);

if (install.status !== 0 && isOffline(install.output)) {
  console.log('package: skipped, its dependencies can be fetched from nowhere');
  suite.skip('installs, type-checks and runs');
} else {
  suite('installs', () => assert.is(install.status, 0, install.output));

  suite('its types are right for bundlers and for Node', () => {
    writeFileSync(join(project, 'typed.ts'), TYPED_PROGRAM);
    writeFileSync(join(project, 'typed-node.ts'), TYPED_NODE_PROGRAM);
    const conditional = TYPED_NODE_PROGRAM.replace('sonolift/node', 'sonolift');
    writeFileSync(join(project, 'typed-condition.ts'), conditional);
    const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
    const common = [
      '--noEmit',
      '--strict',
      '--target',
      'es2022',
      '--lib',
      'es2023,dom',
      '--types',
      '',
    ];
    for (const modules of [
      ['--module', 'esnext', '--moduleResolution', 'bundler'],
      ['--module', 'nodenext', '--moduleResolution', 'nodenext'],
    ]) {
      runNode([tsc, ...common, ...modules, 'typed.ts', 'typed-node.ts'], project);
      const asNode = [...modules, '--customConditions', 'node'];
      runNode([tsc, ...common, ...asNode, 'typed.ts', 'typed-condition.ts'], project);
    }
  });

  suite('npx sonolift enhances with the bundled model, or says that there is none', async () => {
    const program = join(project, 'node_modules', '.bin', 'sonolift');
    writeFileSync(join(project, 'scan.png'), encodePng(randomImage(45, 32)));
    const enhance = ['enhance', 'scan.png', '--out', 'enhanced'];
    const bundled = join(project, 'node_modules', 'sonolift', 'dist', 'models');
    const first = run(program, enhance, project);
    if (existsSync(MODEL)) {
      assert.is(first.status, 0, first.output);
    } else {
      console.log('package: no model is bundled yet; a tiny one stands in for it');
      assert.is(first.status, 4, first.output);
      assert.match(first.output, /no bundled model .* name one with --checkpoint/);
      assert.not.ok(existsSync(join(project, 'enhanced')));
    }
    const gpu = await openGpu();
    const { bytes } = await tinyGenerator(gpu);
    const scan = readImage(join(project, 'scan.png'));
    const expected = (await (await loadGenerator(gpu, bytes)).enhance(scan)).data;
    gpu.close();
    mkdirSync(bundled, { recursive: true });
    writeFileSync(join(bundled, 'G_H.safetensors'), bytes);
    const { status, output } = run(program, enhance, project);
    assert.is(status, 0, output);
    const found = readImage(join(project, 'enhanced', 'scan.png'));
    assert.ok(largestDifference(found.data, expected) <= 0.5 / 255 + TOLERANCE);
    assert.match(run(program, ['--version'], project).output, /^\d+\.\d+\.\d+\n$/);
  });

  suite('enhances in Node and in a page as the sources do', async () => {
    const gpu = await openGpu();
    const { bytes } = await tinyGenerator(gpu);
    const image = randomImage(45, 32);
    const expected = (await (await loadGenerator(gpu, bytes)).enhance(image)).data;
    const transformer = await untrainedMspgan(gpu, image);
    gpu.close();
    const plain = { ...image, data: [...image.data] };
    writeFileSync(join(project, 'G_H.safetensors'), bytes);
    writeFileSync(join(project, 'image.json'), JSON.stringify(plain));
    writeFileSync(join(project, 'program.js'), NODE_PROGRAM);
    assert.match(runNode(['program.js'], project), /ran in Node/);
    const inNode = JSON.parse(readFileSync(join(project, 'out.json'), 'utf8'));
    assert.is(largestDifference(inNode, expected), 0);

    const page = join(project, 'script.js');
    writeFileSync(page, PAGE_PROGRAM);
    const { outputFiles, warnings } = await build({
      entryPoints: [page],
      bundle: true,
      splitting: true,
      outdir: project,
      minify: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      logLevel: 'silent',
    });
    if (!swiftShaderRunsHere && !process.env.SONOLIFT_CHROMIUM) {
      console.log('package: page skipped, the bundled Chromium is for Linux x64');
      return;
    }
    assert.equal(warnings, []);
    const scripts = new Map(
      outputFiles.map(({ path, contents }) => [path.slice(project.length), contents]),
    );
    const served = await servePage(
      scripts,
      new Map([
        ['/G_H.safetensors', bytes],
        ['/mspgan.safetensors', transformer.bytes],
      ]),
    );
    const browser = await openChromium();
    try {
      const tab = await browser.newPage();
      const complaints: string[] = [];
      tab.on('pageerror', (error) => complaints.push(String(error)));
      tab.on('console', (line) => line.type() === 'error' && complaints.push(line.text()));
      const asked = new Set<string>();
      tab.on('request', (request) => asked.add(new URL(request.url()).pathname));
      const scriptBytes = (): number =>
        [...asked].reduce((sum, path) => {
          const code = scripts.get(path);
          return sum + (code ? gzipSync(code, { level: 9 }).length : 0);
        }, 0);
      const assertSame = async (name: string, wanted: ArrayLike<number>): Promise<void> => {
        const call = `enhance(${JSON.stringify(plain)}, '/${name}.safetensors')`;
        const difference = largestDifference(await tab.evaluate<number[]>(call), wanted);
        const code = `${(scriptBytes() / 1000).toFixed(1)} kB of code, gzipped`;
        console.log(`page, ${name}: largest difference ${difference.toExponential(1)}; ${code}`);
        assert.ok(difference <= TOLERANCE, `${name}: ${difference}`);
      };
      await tab.goto(served.url);
      await assertSame('G_H', expected);
      const first = scriptBytes();
      assert.ok(first > 0 && first < INFERENCE_LIMIT, `${first} bytes of code`);
      // MSPGAN's generator is fetched when a checkpoint asks for it.
      await assertSame('mspgan', transformer.expected);
      assert.ok(scriptBytes() > first, 'its generator was there from the beginning');
      assert.equal(complaints, []);
    } finally {
      await browser.close();
      served.close();
    }
  });
}

suite.after(() => rmSync(folder, { recursive: true, force: true }));
suite.run();
