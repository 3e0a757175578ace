/** The public API in a page's bundle: no Node, no Dawn, and how large. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundleForBrowser } from './browser-graph.ts';

const suite = createSuite('browser graph');

/** Gzipped bytes of a page that only enhances: what is too many, and what would be too few to be all. */
const INFERENCE_LIMIT = 60_000;
const INFERENCE_LEAST = 30_000;

const PUBLIC = ['index', 'api/nn', 'api/train', 'api/metrics', 'api/kernels'];
const EVERYTHING = PUBLIC.map((entry) => `export * from './src/${entry}.ts';`).join('\n');
const INFERENCE = "export { loadGenerator, openGpu } from './src/index.ts';";

const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;

suite('no entry brings Node or a binary into a page', async () => {
  const { metafile, start, later } = await bundleForBrowser(EVERYTHING);
  const inputs = Object.keys(metafile.inputs);
  assert.ok(inputs.includes('src/index.ts'));
  const strangers = inputs.filter((path) =>
    /\.node(\.ts)?$|node_modules\/(webgpu|koffi|@sparticuz)\//.test(path),
  );
  assert.equal(strangers, []);
  const foreign = Object.entries(metafile.inputs).flatMap(([path, { imports }]) =>
    imports.filter(({ external }) => external).map((item) => `${path}: ${item.path}`),
  );
  assert.equal(foreign, []);
  console.log(`everything: ${kilobytes(start.gzipBytes + later.gzipBytes)} gzipped`);
});

suite('a node: import is found', async () => {
  let failure = '';
  try {
    await bundleForBrowser("export { openNodeGpu } from './src/node.ts';");
  } catch (error) {
    failure = String(error);
  }
  assert.match(failure, /node:fs/);
});

suite('a page that only enhances stays small', async () => {
  const { start, later } = await bundleForBrowser(INFERENCE);
  const { gzipBytes } = start;
  console.log(`inference: ${kilobytes(gzipBytes)} gzipped`);
  assert.ok(gzipBytes < INFERENCE_LIMIT, `${gzipBytes} bytes, at most ${INFERENCE_LIMIT}`);
  assert.ok(gzipBytes > INFERENCE_LEAST, `${gzipBytes} bytes: is the bundle whole?`);
  for (const path of ['src/nn/unet.ts', 'src/nn/resnet.ts', 'kernels/instance-norm.ts']) {
    assert.ok(start.sources.get(path), path);
  }
  // What a page does not import must not come along: the package is free of side effects.
  for (const path of [
    'src/metrics/wilcoxon.ts',
    'src/data/loader.ts',
    'kernels/lpips.ts',
    'kernels/conv2d/weight-gradient.ts',
    'kernels/conv2d/gpu/weight-gradient.ts',
  ]) {
    assert.is(start.sources.get(path) ?? 0, 0, path);
    assert.is(later.sources.get(path) ?? 0, 0, path);
  }
  // What is rarely asked for comes when it is.
  console.log(`fetched on demand: ${kilobytes(later.gzipBytes)} gzipped`);
  for (const path of ['src/nn/mspgan-generator.ts', 'src/gpu/tuning/tuner.ts']) {
    assert.is(start.sources.get(path) ?? 0, 0, path);
    assert.ok(later.sources.get(path), path);
  }
});

suite.run();
