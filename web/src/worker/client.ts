/** The page's ends of its workers; each starts when its tab first needs it. */
import { type Remote, wrap } from 'comlink';
import type { EnhanceService } from './enhance.worker.ts';
import { carryFailures } from './failures.ts';
import type { KernelsService } from './kernels.worker.ts';
import type { TrainService } from './train.worker.ts';

carryFailures();

function once<Service>(start: () => Worker): () => Remote<Service> {
  let remote: Remote<Service> | undefined;
  return () => {
    remote ??= wrap<Service>(start());
    return remote;
  };
}

export const enhanceWorker = once<EnhanceService>(
  () => new Worker(new URL('./enhance.worker.ts', import.meta.url), { type: 'module' }),
);

export const trainWorker = once<TrainService>(
  () => new Worker(new URL('./train.worker.ts', import.meta.url), { type: 'module' }),
);

export const kernelsWorker = once<KernelsService>(
  () => new Worker(new URL('./kernels.worker.ts', import.meta.url), { type: 'module' }),
);
