/** A buffer together with the byte range that a storage occupies in it. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
}

/**
 * A buffer of the pool, as the range that a storage in it occupies. It exists once for each buffer, so that
 * equal ranges are the same object, and remembers what asking the device would cost a native call for.
 */
export interface PooledRange extends BufferRange {
  readonly size: number;
  /** Grows in order of creation. */
  readonly serial: number;
  /** Whether it is for storages that outlive the commands that fill them. */
  readonly lasting: boolean;
  /** Whether it waits in the pool for whoever needs it. */
  free: boolean;
}
