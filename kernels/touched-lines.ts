/** Elements that no cache of a core holds. */
const UNCACHED = 1e6;

/**
 * How many channels of images a CPU driver's kernel touches the cache lines of before it sums over them: all of
 * images that no cache holds, else none. Several lines are touched by one load, so that their misses overlap;
 * those of the sums would follow one another. What is touched must be used: kernels collect its bits, and add
 * them to an index where a constant 0, which the compiler does not know, has masked them.
 */
export function touchedChannels(elements: number, channels: number): number {
  return elements > UNCACHED ? channels : 0;
}
