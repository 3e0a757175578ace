import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { GpuError } from '../errors.ts';
import { withQuietStderr } from './native-stderr.ts';
import { loadSwiftShader, swiftShaderRunsHere } from './swiftshader.ts';

/**
 * Which adapter to open: `auto` (a real GPU, else a software driver of the system, else the bundled
 * SwiftShader), `system` (no bundled SwiftShader), `swiftshader` (the bundled one), or a part of an
 * adapter's name, in any case.
 */
export type DeviceChoice = 'auto' | 'system' | 'swiftshader' | (string & {});

export interface NodeAdapterOptions {
  /** Default: the environment variable `SONOLIFT_DEVICE`, else `auto`. */
  device?: DeviceChoice | undefined;
  powerPreference?: GPUPowerPreference | undefined;
  featureLevel?: string | undefined;
  /** Told what was opened, and what was unpacked where. */
  log?: ((line: string) => void) | undefined;
}

export interface NodeAdapter {
  adapter: GPUAdapter;
  /** The object `create()` returned. The process crashes if it is collected before the device. */
  instance: unknown;
  source: 'system' | 'swiftshader';
  /** One line for people: driver, kind, and whether it runs on the CPU. */
  description: string;
}

type WebGpuModule = typeof import('webgpu');
type Opened = { adapter: GPUAdapter; instance: GPU };

/**
 * Opens a WebGPU adapter in Node through Dawn (npm package `webgpu`). Nothing is installed on the
 * machine or put on `globalThis`; SwiftShader is unpacked into a cache folder when first needed.
 *
 * @throws GpuError 'no-adapter' when there is none, saying what to install; 'unsupported' when Dawn
 *   has no build for this platform
 */
export async function openNodeAdapter(options: NodeAdapterOptions = {}): Promise<NodeAdapter> {
  const log = options.log ?? (() => {});
  const device = options.device ?? (process.env.SONOLIFT_DEVICE || 'auto');
  const webgpu = await importWebGpu();
  const choice = device.toLowerCase();
  const driverSaid: string[] = [];

  const found = (opened: Opened, source: NodeAdapter['source']): NodeAdapter => {
    const description = describe(opened.adapter, source);
    log(`GPU adapter: ${description}`);
    return { ...opened, source, description };
  };

  if (choice !== 'swiftshader') {
    const system =
      choice === 'auto' || choice === 'system'
        ? await openBestOfSystem(webgpu, options, driverSaid)
        : await openByName(webgpu, options, device);
    if (system !== undefined) return found(system, 'system');
  }
  if (choice === 'auto' ? swiftShaderRunsHere : choice === 'swiftshader') {
    const said = driverSaid.at(-1);
    if (said !== undefined) log(`no usable driver on this system: ${said}`);
    const bundled = await openSwiftShader(webgpu, options, log);
    if (bundled !== undefined) return found(bundled, 'swiftshader');
  }
  throw new GpuError('no-adapter', noAdapterMessage(choice, driverSaid));
}

async function importWebGpu(): Promise<WebGpuModule> {
  try {
    return await import('webgpu');
  } catch (cause) {
    throw new GpuError(
      'unsupported',
      `the npm package webgpu does not load on ${process.platform}-${process.arch} (it has builds for ` +
        'Linux with glibc, macOS and Windows, x64 and arm64)',
      { cause },
    );
  }
}

/** Version of the npm package that holds Dawn. */
export function dawnVersion(): string {
  const manifest = createRequire(import.meta.url).resolve('webgpu/package.json');
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}

/** Dawn asks the drivers within the call itself, so the call is all that has to be kept quiet. */
async function request(
  webgpu: WebGpuModule,
  flags: string[],
  options: NodeAdapterOptions,
  driverSaid: string[] = [],
): Promise<Opened | undefined> {
  const { value, noise } = withQuietStderr(() => {
    const instance = webgpu.create(flags);
    const { powerPreference, featureLevel } = options;
    const pending = instance.requestAdapter({
      ...(powerPreference && { powerPreference }),
      ...(featureLevel && { featureLevel }),
    });
    return { instance, pending };
  });
  driverSaid.push(...noise);
  const adapter = await value.pending;
  return adapter === null ? undefined : { adapter, instance: value.instance };
}

interface Listed {
  backend: string;
  name: string;
}

/** Dawn lists its adapters only in the error for a name that none of them has. */
async function listAdapters(webgpu: WebGpuModule, options: NodeAdapterOptions): Promise<Listed[]> {
  try {
    await request(webgpu, ['adapter=\u0001'], options);
    return [];
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return [...message.matchAll(/backend: '([^']*)', name: '(.*)'$/gm)].map(
      ([, backend = '', name = '']) => ({ backend, name }),
    );
  }
}

const openListed = (webgpu: WebGpuModule, options: NodeAdapterOptions, { backend, name }: Listed) =>
  request(webgpu, [`backend=${backend}`, `adapter=${name}`], options);

/** Dawn takes the first driver; here a GPU goes before the CPU, and any CPU driver before SwiftShader. */
async function openBestOfSystem(
  webgpu: WebGpuModule,
  options: NodeAdapterOptions,
  driverSaid: string[],
): Promise<Opened | undefined> {
  const rank = ({ adapter: { info } }: Opened) =>
    info.isFallbackAdapter ? (info.architecture === 'swiftshader' ? 2 : 1) : 0;
  let best = await request(webgpu, [], options, driverSaid);
  if (best === undefined || rank(best) === 0) return best;
  const listed = await listAdapters(webgpu, options);
  if (listed.length < 2) return best;
  for (const each of listed) {
    const other = await openListed(webgpu, options, each);
    if (other !== undefined && rank(other) < rank(best)) best = other;
  }
  return best;
}

async function openByName(
  webgpu: WebGpuModule,
  options: NodeAdapterOptions,
  part: string,
): Promise<Opened | undefined> {
  const listed = await listAdapters(webgpu, options);
  const match = listed.find(({ name }) => name.toLowerCase().includes(part.toLowerCase()));
  if (match !== undefined) return openListed(webgpu, options, match);
  const names = listed.map(({ name }) => `'${name}'`);
  if (swiftShaderRunsHere) names.push("'swiftshader' (bundled)");
  throw new GpuError(
    'no-adapter',
    `no GPU adapter has '${part}' in its name; here are: ${names.join(', ') || 'none'}`,
  );
}

async function openSwiftShader(
  webgpu: WebGpuModule,
  options: NodeAdapterOptions,
  log: (line: string) => void,
): Promise<Opened | undefined> {
  const manifest = loadSwiftShader(log);
  // Vulkan loaders before 1.3.207 know the second name only. Both are read while the adapter is
  // being asked for, and put back so that the system's drivers can still be opened later.
  const before = { VK_DRIVER_FILES: undefined, VK_ICD_FILENAMES: undefined } as Record<
    string,
    string | undefined
  >;
  for (const name of Object.keys(before)) {
    before[name] = process.env[name];
    process.env[name] = manifest;
  }
  try {
    // Not awaited, so that the environment is put back at once: it is read within the call.
    return request(webgpu, [], options);
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

function describe({ info }: GPUAdapter, source: NodeAdapter['source']): string {
  const kind = [info.vendor, info.architecture, info.isFallbackAdapter ? 'on the CPU' : 'GPU'];
  const name = info.description || info.device || 'unnamed';
  const origin = source === 'swiftshader' ? ', bundled' : '';
  return `${name} (${kind.filter(Boolean).join(' ')}${origin})`;
}

function noAdapterMessage(choice: string, driverSaid: string[]): string {
  const said = driverSaid.at(-1);
  const advice =
    process.platform === 'darwin'
      ? 'Metal is needed, which a Mac has and a virtual one often lacks'
      : process.platform === 'win32'
        ? "install the graphics card's own driver (Direct3D 12)"
        : "install the GPU's Vulkan driver, or the software one: `apt install mesa-vulkan-drivers libvulkan1`" +
          ' (Debian 13, Ubuntu 24.04 or later), `dnf install mesa-vulkan-drivers vulkan-loader` (Fedora)';
  const bundled = swiftShaderRunsHere
    ? choice === 'system'
      ? '; or choose the device `auto`, which falls back to the bundled SwiftShader'
      : ''
    : '; the bundled SwiftShader runs on linux-x64 only';
  return `no GPU adapter found${said ? ` (${said})` : ''}: ${advice}${bundled}`;
}
