/** The model that comes with the page. */
import { DataError } from 'sonolift';

/** Below the page's own folder; `npm run demo:model` puts it there. */
export const BUNDLED_MODEL = 'models/G_H.safetensors';

/**
 * @returns undefined if this copy of the page was built without a model
 * @throws DataError if it cannot be fetched
 */
export async function fetchBundledModel(): Promise<Uint8Array | undefined> {
  let response: Response;
  try {
    response = await fetch(new URL(BUNDLED_MODEL, document.baseURI));
  } catch (cause) {
    throw new DataError(`${BUNDLED_MODEL}: cannot be fetched: ${String(cause)}`, { cause });
  }
  if (response.status === 404) return undefined;
  if (!response.ok) throw new DataError(`${BUNDLED_MODEL}: HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
