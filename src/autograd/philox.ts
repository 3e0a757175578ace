/**
 * Counter-based random numbers on the host: Philox4x32-10.
 *
 * A counter-based generator is a pure function of (key, counter), so a stream can be resumed,
 * split or evaluated at any position from a few integers. The same function runs in the shaders;
 * see Salmon, Moraes, Dror & Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
 */

/** Four unsigned 32-bit words. */
export type Uint32x4 = readonly [number, number, number, number];

/** Two unsigned 32-bit words. */
export type Uint32x2 = readonly [number, number];

/** Multipliers of the two 32x32 -> 64 bit products of one round. */
export const PHILOX_MULTIPLIERS: Uint32x2 = [0xd2511f53, 0xcd9e8d57];

/** Weyl increments of the two key words (golden ratio and sqrt(3) - 1). */
export const PHILOX_KEY_INCREMENTS: Uint32x2 = [0x9e3779b9, 0xbb67ae85];

const ROUNDS = 10;
const TWO_POW_MINUS_32 = 2 ** -32;

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  // Every partial product is below 2^32 and every sum below 2^53, so doubles hold them exactly.
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const middleLow = (middle % 0x10000) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(middleLow / 0x10000)) >>> 0;
}

/**
 * The Philox4x32-10 block function: ten rounds of a keyed bijection of 128-bit counters.
 *
 * @param counter four unsigned 32-bit words, least significant first
 * @param key two unsigned 32-bit words
 * @returns four unsigned 32-bit words, uniform over 128 bits as the counter runs
 */
export function philox4x32(counter: Uint32x4, key: Uint32x2): [number, number, number, number] {
  let c0 = counter[0] >>> 0;
  let c1 = counter[1] >>> 0;
  let c2 = counter[2] >>> 0;
  let c3 = counter[3] >>> 0;
  let k0 = key[0] >>> 0;
  let k1 = key[1] >>> 0;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(PHILOX_MULTIPLIERS[0], c0);
    const low0 = Math.imul(PHILOX_MULTIPLIERS[0], c0) >>> 0;
    const high1 = multiplyHigh(PHILOX_MULTIPLIERS[1], c2);
    const low1 = Math.imul(PHILOX_MULTIPLIERS[1], c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + PHILOX_KEY_INCREMENTS[0]) >>> 0;
    k1 = (k1 + PHILOX_KEY_INCREMENTS[1]) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/**
 * A stream id from its name: 32-bit FNV-1a over UTF-16 code units, low byte first.
 * Named streams keep, say, dropout and shuffling independent under one seed.
 */
export function streamId(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return hash >>> 0;
}

/** Everything a {@link RandomStream} needs to continue bit-identically; plain JSON. */
export interface RandomStreamState {
  /** The 64-bit seed as two 32-bit words, low first: the Philox key. */
  readonly key: Uint32x2;
  /** The stream number, upper half of the Philox counter. */
  readonly stream: number;
  /** Number of 32-bit words drawn so far. */
  readonly position: number;
  /** The second value of a Box–Muller pair that is waiting to be returned, or null. */
  readonly spareNormal: number | null;
}

function requireInteger(name: string, value: number, limit: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value >= limit) {
    throw new RangeError(
      `random stream: ${name} must be a whole number in [0, ${limit}), found ${value}`,
    );
  }
}

/**
 * A sequential view of one Philox stream. The key is the seed, the counter is
 * (block low, block high, stream, 0), so streams of one seed never overlap.
 */
export class RandomStream {
  readonly #key: Uint32x2;
  readonly #stream: number;
  #position = 0;
  #spareNormal: number | null = null;
  #block: Uint32x4 = [0, 0, 0, 0];
  #blockIndex = -1;

  /**
   * @param seed whole number in [0, 2^53)
   * @param stream whole number in [0, 2^32), or a name hashed by {@link streamId}
   * @throws RangeError when either is out of range
   */
  constructor(seed: number, stream: number | string) {
    requireInteger('seed', seed, Number.MAX_SAFE_INTEGER);
    const id = typeof stream === 'string' ? streamId(stream) : stream;
    requireInteger('stream', id, 2 ** 32);
    this.#key = [seed >>> 0, Math.floor(seed * TWO_POW_MINUS_32) >>> 0];
    this.#stream = id;
  }

  /** The next unsigned 32-bit integer. */
  uint32(): number {
    const blockIndex = Math.floor(this.#position / 4);
    if (blockIndex !== this.#blockIndex) {
      const high = Math.floor(blockIndex * TWO_POW_MINUS_32) >>> 0;
      this.#block = philox4x32([blockIndex >>> 0, high, this.#stream, 0], this.#key);
      this.#blockIndex = blockIndex;
    }
    const word = this.#block[this.#position % 4] as number;
    this.#position++;
    return word;
  }

  /** The next uniform number in [0, 1), a multiple of 2^-32. */
  uniform(): number {
    return this.uint32() * TWO_POW_MINUS_32;
  }

  /** The next standard normal number (Box–Muller, both values of a pair are used). */
  normal(): number {
    if (this.#spareNormal !== null) {
      const spare = this.#spareNormal;
      this.#spareNormal = null;
      return spare;
    }
    // (word + 0.5) / 2^32 lies strictly inside (0, 1), so the logarithm is finite.
    const radius = Math.sqrt(-2 * Math.log((this.uint32() + 0.5) * TWO_POW_MINUS_32));
    const angle = 2 * Math.PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /**
   * The next whole number in [0, n), without modulo bias (rejection).
   * @throws RangeError unless n is a whole number in [1, 2^32]
   */
  integer(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) {
      throw new RangeError(`random stream: n must be a whole number in [1, 2^32], found ${n}`);
    }
    const limit = 2 ** 32 - (2 ** 32 % n);
    let word = this.uint32();
    while (word >= limit) word = this.uint32();
    return word % n;
  }

  /** Shuffles an array in place (Fisher–Yates) and returns it. */
  shuffle<T>(array: T[]): T[] {
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const swapped = array[i] as T;
      array[i] = array[j] as T;
      array[j] = swapped;
    }
    return array;
  }

  /** A small JSON-serialisable snapshot; {@link RandomStream.fromState} continues from it. */
  state(): RandomStreamState {
    return {
      key: this.#key,
      stream: this.#stream,
      position: this.#position,
      spareNormal: this.#spareNormal,
    };
  }

  /**
   * A stream that continues bit-identically where `state` was taken.
   * @throws RangeError when a field of the state is out of range
   */
  static fromState(state: RandomStreamState): RandomStream {
    requireInteger('state.key[0]', state.key[0], 2 ** 32);
    requireInteger('state.key[1]', state.key[1], 2 ** 21);
    requireInteger('state.position', state.position, Number.MAX_SAFE_INTEGER);
    if (state.spareNormal !== null && !Number.isFinite(state.spareNormal)) {
      throw new RangeError(
        `random stream: state.spareNormal must be finite or null, found ${state.spareNormal}`,
      );
    }
    const stream = new RandomStream(state.key[1] * 2 ** 32 + state.key[0], state.stream);
    stream.#position = state.position;
    stream.#spareNormal = state.spareNormal;
    return stream;
  }
}
