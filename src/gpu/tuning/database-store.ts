import type { TuningStore } from './records.ts';

const DATABASE = 'sonolift';
const TABLE = 'tuning';

/** Tuning records in a browser's IndexedDB; undefined where there is none. */
export function databaseTuningStore(
  factory: IDBFactory | undefined = globalThis.indexedDB,
): TuningStore | undefined {
  if (!factory) return undefined;
  const open = async (): Promise<IDBDatabase> => {
    const request = factory.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    return settled(request);
  };
  return {
    name: `IndexedDB ${DATABASE}`,
    async read(key) {
      const database = await open();
      try {
        const found: unknown = await settled(
          database.transaction(TABLE).objectStore(TABLE).get(key),
        );
        if (found === undefined || typeof found === 'string') return found;
        throw new Error('damaged: not a text');
      } finally {
        database.close();
      }
    },
    async write(key, text) {
      const database = await open();
      try {
        const transaction = database.transaction(TABLE, 'readwrite');
        const done = new Promise<void>((resolve, reject) => {
          transaction.oncomplete = () => resolve();
          transaction.onabort = () => reject(transaction.error);
        });
        transaction.objectStore(TABLE).put(text, key);
        await done;
      } finally {
        database.close();
      }
    },
  };
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
