import { createRequire } from 'node:module';
import { join } from 'node:path';
import { openNodeAdapter } from '../../src/gpu/node-adapter.ts';
import { restWhile } from '../../src/gpu/rest.node.ts';
import type { Submitter } from '../measure/repeat.ts';
import { PEERS_FOLDER } from './install.ts';
import type { Tf } from './tfjs-types.ts';

export interface OpenTf {
  readonly tf: Tf;
  readonly adapter: string;
  readonly kind: 'cpu' | 'gpu';
  /** Waits as we do: the thread sleeps while the device works. */
  readonly submitter: Submitter;
  /** Waits as tfjs does by itself: Dawn polls while a promise is pending, on a core that a CPU driver lacks then. */
  readonly unaided: Submitter;
  /** Dawn's instance, to be kept referenced. */
  readonly instance: unknown;
}

/**
 * tfjs with its WebGPU backend on the adapter that our engine takes. tfjs looks for a browser's
 * globals, so this process gets them.
 */
export async function openTf(device: string | undefined): Promise<OpenTf> {
  const { globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const { adapter, instance, description } = await openNodeAdapter({ device });
  const gpu = { requestAdapter: async () => adapter, getPreferredCanvasFormat: () => 'bgra8unorm' };
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu, userAgent: 'node' },
    configurable: true,
  });
  // tfjs takes a global `self` for a browser or worker, where alone it offers its WebGPU backend.
  Object.assign(globalThis, { self: globalThis });
  const require = createRequire(join(PEERS_FOLDER, 'package.json'));
  const tf = require('@tensorflow/tfjs-core') as Tf;
  require('@tensorflow/tfjs-backend-webgpu');
  // Registers the ops' gradients, which the core's bundle for Node leaves out.
  require('@tensorflow/tfjs-layers');
  if (!(await tf.setBackend('webgpu'))) throw new Error('tfjs does not open its WebGPU backend');
  await tf.ready();
  const backend = tf.backend();
  // A rejected dispatch is fast; it must not be timed as if it had worked.
  backend.device.addEventListener('uncapturederror', ({ error }) => {
    process.stderr.write(`tfjs: ${error.message}\n`);
    process.exit(1);
  });
  const flush = async () => {
    if (!backend.commandEncoder) return;
    backend.endComputePassEncoder();
    backend.submitQueue();
  };
  const done = () => backend.device.queue.onSubmittedWorkDone();
  return {
    tf,
    adapter: description,
    kind: adapter.info.isFallbackAdapter ? 'cpu' : 'gpu',
    instance,
    submitter: { flush, finish: () => restWhile(done()) },
    unaided: { flush, finish: done },
  };
}
