/** Opening a device where `navigator.gpu` is: pages and workers. */
import { GpuError } from '../errors.ts';
import { onDemand } from '../on-demand.ts';
import type { Gpu, GpuOptions } from './gpu.ts';
import { openAdapter, useDevice } from './open-gpu.ts';
import type { TuningStore } from './tuning/records.ts';
import type { TuneChoice } from './tuning/tune-mode.ts';

export interface OpenGpuOptions extends Omit<GpuOptions, 'ownsDevice'> {
  /** A device that the page already has: it is used, and left alone by `close`. */
  readonly device?: GPUDevice;
  /** An adapter that the page has chosen. */
  readonly adapter?: GPUAdapter;
  /** Which GPU of several; default `high-performance`. */
  readonly powerPreference?: GPUPowerPreference;
}

/**
 * Opens the GPU of a page or worker, or takes the given device or adapter.
 * @throws GpuError `unsupported` where there is no WebGPU and `no-adapter` where it has no adapter,
 *   both saying what to do; DataError if the code for `tune` cannot be fetched
 */
export async function openGpu(options: OpenGpuOptions = {}): Promise<Gpu> {
  const { device, adapter, powerPreference, ...given } = options;
  const rest = {
    tuningStore: await storeFor(options.tune),
    // Browsers compile shaders, and renew their compilers, themselves.
    runtime: globalThis.navigator?.userAgent ?? '',
    ...given,
  };
  if (device) return useDevice(device, rest);
  return openAdapter(adapter ?? (await requestAdapter(powerPreference)), rest);
}

/** Where measurements of kernels are kept: code that pages which measure nothing do not carry. */
async function storeFor(tune: TuneChoice = 'off'): Promise<TuningStore | undefined> {
  if (tune === 'off') return undefined;
  const load = () => import('./tuning/database-store.ts');
  return (await onDemand('the code for tuning', load)).databaseTuningStore();
}

async function requestAdapter(
  powerPreference: GPUPowerPreference = 'high-performance',
): Promise<GPUAdapter> {
  const gpu = (globalThis.navigator as { readonly gpu?: GPU } | undefined)?.gpu;
  if (!gpu) throw new GpuError('unsupported', missingMessage());
  const adapter = await gpu.requestAdapter({ powerPreference });
  if (adapter) return adapter;
  throw new GpuError(
    'no-adapter',
    'this browser has WebGPU but no usable graphics adapter: switch hardware acceleration on in its ' +
      'settings, renew the graphics driver, and look at chrome://gpu (Chrome, Edge) or about:support ' +
      '(Firefox) for what is blocked',
  );
}

function missingMessage(): string {
  if (globalThis.isSecureContext === false) {
    return 'pages have WebGPU in secure contexts only: serve this page over https, or from localhost';
  }
  return (
    'no WebGPU here (navigator.gpu is missing): use Chrome or Edge 113, Safari 26, Firefox 141 or ' +
    'later; where the browser is recent, switch WebGPU on in its settings (chrome://flags, ' +
    'about:config: dom.webgpu.enabled)'
  );
}
