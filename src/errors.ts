/**
 * Every failure a user can meet has a type, and every type an exit code.
 *
 * | code | meaning |
 * |---|---|
 * | 0 | success |
 * | 1 | the program ran and its result is not acceptable, or an unexpected failure |
 * | 2 | usage: unknown option, value out of range |
 * | 3 | data: folder, image, split, weights file |
 * | 4 | checkpoint: unreadable, of another architecture |
 * | 5 | GPU: no adapter, lost, out of memory, unsupported |
 * | 6 | numerics: NaN or infinity in a named tensor |
 * | 130 | interrupted by Ctrl-C or SIGTERM |
 */
export class SonoliftError extends Error {
  readonly exitCode: number = 1;
  override readonly name: string = 'SonoliftError';
}

/** The command line or a configuration file asks for something impossible. */
export class UsageError extends SonoliftError {
  override readonly exitCode = 2;
  override readonly name = 'UsageError';
}

/** A folder, image, split or weights file is missing, unreadable or not what it should be. */
export class DataError extends SonoliftError {
  override readonly exitCode = 3;
  override readonly name = 'DataError';
}

/** A checkpoint is damaged, incomplete or belongs to another architecture. */
export class CheckpointError extends SonoliftError {
  override readonly exitCode = 4;
  override readonly name = 'CheckpointError';
}

export type GpuErrorReason = 'no-adapter' | 'lost' | 'out-of-memory' | 'unsupported' | 'validation';

/** The GPU is absent, lost, full, or rejects what it was given. */
export class GpuError extends SonoliftError {
  override readonly exitCode = 5;
  override readonly name = 'GpuError';
  readonly reason: GpuErrorReason;

  constructor(reason: GpuErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** A tensor holds NaN or infinity where training needs finite numbers. */
export class NumericalError extends SonoliftError {
  override readonly exitCode = 6;
  override readonly name = 'NumericalError';
}

/** An op was given tensors whose shapes do not fit; the message prints them. */
export class ShapeError extends SonoliftError {
  override readonly exitCode = 1;
  override readonly name = 'ShapeError';
}
