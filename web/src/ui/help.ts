/** What to do where there is no WebGPU. */
import { block, button } from './elements.ts';
import { sentence } from './sentence.ts';

/** Whether an error says that this browser gives no device at all. */
export function isWithoutGpu(error: unknown): error is Error {
  if (!(error instanceof Error) || !('reason' in error)) return false;
  return error.reason === 'unsupported' || error.reason === 'no-adapter';
}

export function showHelp(error: Error): void {
  block('help-reason').textContent = sentence(error.message);
  block('help').hidden = false;
}

/** @param retry opens the device anew */
export function offerRetry(retry: () => Promise<void>): void {
  button('help-retry').addEventListener('click', () => {
    block('help').hidden = true;
    void retry();
  });
}
