/** Errors on their way from a worker to the page: their type and reason come along. */
import { transferHandlers } from 'comlink';

/** What passes between threads of an error. */
interface Failure {
  readonly name: string;
  readonly message: string;
  readonly reason: string;
}

/** An error that a worker threw. `name` is that of the library's error, e.g. `DataError`. */
export class WorkerFailure extends Error {
  /** Of a GpuError: `lost`, `out-of-memory`, `unsupported`, `no-adapter`, `validation`; else empty. */
  readonly reason: string;

  constructor({ name, message, reason }: Failure) {
    super(message);
    this.name = name;
    this.reason = reason;
  }
}

function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), reason: '' };
  const reason = 'reason' in error ? String(error.reason) : '';
  return { name: error.name, message: error.message, reason };
}

/** Call on both sides before anything else. */
export function carryFailures(): void {
  const original = transferHandlers.get('throw');
  if (!original) throw new Error('comlink has no handler of thrown values');
  transferHandlers.set('throw', {
    canHandle: original.canHandle,
    serialize: (thrown: { value: unknown }): [Failure, Transferable[]] => [
      failureOf(thrown.value),
      [],
    ],
    deserialize: (failure: Failure): never => {
      throw new WorkerFailure(failure);
    },
  });
}
