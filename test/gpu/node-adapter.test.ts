import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GpuError } from '../../src/errors.ts';
import { splitDriverOutput } from '../../src/gpu/native-stderr.ts';
import { type NodeAdapter, openNodeAdapter } from '../../src/gpu/node-adapter.ts';
import { loadSwiftShader, swiftShaderRunsHere } from '../../src/gpu/swiftshader.ts';

const test = suite('node adapter');
/** Vulkan's loader, whose drivers an environment variable can hide, and the bundled driver. */
const withSwiftShader = swiftShaderRunsHere ? test : test.skip;
const pinned: NodeAdapter[] = [];

async function open(options: Parameters<typeof openNodeAdapter>[0]): Promise<NodeAdapter> {
  const opened = await openNodeAdapter(options);
  pinned.push(opened);
  return opened;
}

/** Runs `body` with environment variables set (or, if undefined, unset), then puts them back. */
async function withEnv(env: Record<string, string | undefined>, body: () => Promise<void>) {
  const put = (values: Record<string, string | undefined>) => {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
  const before = Object.fromEntries(Object.keys(env).map((name) => [name, process.env[name]]));
  put(env);
  try {
    await body();
  } finally {
    put(before);
  }
}

const noDrivers = { VK_DRIVER_FILES: '/nonexistent/driver.json', VK_ICD_FILENAMES: undefined };

async function failure(promise: Promise<unknown>): Promise<GpuError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof GpuError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** x ↦ 6x on the adapter's device. */
async function timesSix({ adapter }: NodeAdapter, x: number): Promise<number | undefined> {
  const device = await adapter.requestDevice();
  const module = device.createShaderModule({
    code: `@group(0) @binding(0) var<storage, read_write> x: array<u32>;
      @compute @workgroup_size(1) fn main() { x[0] = x[0] * 6u; }`,
  });
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
  // MAP_READ | COPY_DST, and STORAGE | COPY_SRC | COPY_DST
  const result = device.createBuffer({ size: 4, usage: 0x1 | 0x8 });
  const buffer = device.createBuffer({ size: 4, usage: 0x80 | 0x4 | 0x8 });
  device.queue.writeBuffer(buffer, 0, new Uint32Array([x]));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const layout = pipeline.getBindGroupLayout(0);
  pass.setBindGroup(
    0,
    device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] }),
  );
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(buffer, 0, result, 0, 4);
  device.queue.submit([encoder.finish()]);
  await result.mapAsync(1);
  const value = new Uint32Array(result.getMappedRange())[0];
  device.destroy();
  return value;
}

test('the default device computes, and the log names it', async () => {
  const lines: string[] = [];
  const opened = await open({ log: (line) => lines.push(line) });
  assert.is(await timesSix(opened, 7), 42);
  assert.ok(opened.description.length > 0);
  assert.is(lines.at(-1), `GPU adapter: ${opened.description}`);
});

test('a name that no adapter has is an error that lists what there is', async () => {
  const error = await failure(openNodeAdapter({ device: 'no such adapter' }));
  assert.is(error.reason, 'no-adapter');
  assert.match(error.message, "'no such adapter'");
  if (swiftShaderRunsHere) assert.match(error.message, 'swiftshader');
});

withSwiftShader(
  'the bundled SwiftShader computes and leaves the environment as it was',
  async () => {
    const before = { ...process.env };
    const opened = await open({ device: 'swiftshader' });
    assert.is(opened.source, 'swiftshader');
    assert.is(opened.adapter.info.architecture, 'swiftshader');
    assert.is(await timesSix(opened, 9), 54);
    assert.equal({ ...process.env }, before);
  },
);

withSwiftShader(
  'without a system driver, auto falls back to SwiftShader and says why',
  async () => {
    await withEnv({ ...noDrivers, SONOLIFT_DEVICE: undefined }, async () => {
      const lines: string[] = [];
      const opened = await open({ log: (line) => lines.push(line) });
      assert.is(opened.source, 'swiftshader');
      assert.match(lines[0] ?? '', /^no usable driver on this system: ./);
    });
  },
);

withSwiftShader(
  'without a system driver, system is an error that says what to install',
  async () => {
    await withEnv(noDrivers, async () => {
      const error = await failure(openNodeAdapter({ device: 'system' }));
      assert.is(error.reason, 'no-adapter');
      assert.match(error.message, 'apt install mesa-vulkan-drivers');
      assert.not.match(error.message, '\n');
    });
  },
);

withSwiftShader('SONOLIFT_DEVICE is the default, an explicit device goes before it', async () => {
  await withEnv({ ...noDrivers, SONOLIFT_DEVICE: 'SwiftShader' }, async () => {
    const opened = await open({});
    assert.is(opened.source, 'swiftshader');
    assert.is((await failure(openNodeAdapter({ device: 'system' }))).reason, 'no-adapter');
  });
});

withSwiftShader('a system driver is found by a part of its name in any case', async () => {
  const env = { VK_DRIVER_FILES: loadSwiftShader(() => {}), VK_ICD_FILENAMES: undefined };
  await withEnv(env, async () => {
    const opened = await open({ device: 'wiftSHADER dev' });
    assert.is(opened.source, 'system');
    assert.is(opened.adapter.info.architecture, 'swiftshader');
  });
});

/** Runs module code with the same TypeScript loader as this process. */
function runModule(code: string, env: NodeJS.ProcessEnv = {}) {
  const args = [...process.execArgv, '--input-type=module', '--eval', code];
  return spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, ...env } });
}
const moduleUrl = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

withSwiftShader('opening prints nothing, with a driver or without', () => {
  const code = `
    import { openNodeAdapter } from ${moduleUrl('../../src/gpu/node-adapter.ts')};
    const { source } = await openNodeAdapter();
    process.stdout.write(source);`;
  for (const env of [{}, noDrivers]) {
    const { stdout, stderr, status } = runModule(code, { ...env, SONOLIFT_DEVICE: '' });
    assert.is(stderr, '');
    assert.is(status, 0);
    if (env === noDrivers) assert.is(stdout, 'swiftshader');
  }
});

test('what native code prints is kept, less the known noise', () => {
  const { shown, noise } = splitDriverOutput(
    [
      'Warning: maxDynamicUniformBuffersPerPipelineLayout artificially reduced from 9 to 1 to fit.',
      'MESA: error: out of memory',
      'Warning: vkCreateInstance failed with VK_ERROR_INCOMPATIBLE_DRIVER',
      '    at CheckVkSuccessImpl (VulkanError.cpp:106)',
      '',
      '  indented after noise',
      'Warning: something new',
      '    at Somewhere (File.cpp:1)',
    ].join('\n'),
  );
  assert.equal(shown, [
    'MESA: error: out of memory',
    'Warning: something new',
    '    at Somewhere (File.cpp:1)',
  ]);
  assert.is(noise.at(-1), 'vkCreateInstance failed with VK_ERROR_INCOMPATIBLE_DRIVER');
});

test('stderr is whole again after a native call, even one that throws', () => {
  const { stderr } = runModule(`
    import { writeSync } from 'node:fs';
    import { withQuietStderr } from ${moduleUrl('../../src/gpu/native-stderr.ts')};
    const { noise } = withQuietStderr(() => {
      writeSync(2, 'Warning: loader_noise\\nreal\\n');
    });
    try {
      withQuietStderr(() => { writeSync(2, 'before the throw\\n'); throw new Error('x'); });
    } catch {}
    writeSync(2, 'after ' + noise.join() + '\\n');`);
  if (process.platform === 'win32') assert.match(stderr, /real\n/);
  else assert.is(stderr, 'real\nbefore the throw\nafter loader_noise\n');
});

test.run();
