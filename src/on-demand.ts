import { DataError } from './errors.ts';

/**
 * Code that is fetched when it is asked for, so that pages which never ask do not carry it.
 * @param what it is, for the message
 * @throws DataError if it cannot be fetched: no network, or a page that was renewed on its server
 */
export async function onDemand<T>(what: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw new DataError(
      `${what} cannot be fetched: ${String(cause)}; look at the network and load the page again`,
      { cause },
    );
  }
}
