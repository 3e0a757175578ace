/** Shortest and longest pause between two polls, in milliseconds. */
const SHORTEST = 0.05;
const LONGEST = 5;

/** Length of a pause as part of the time waited so far, and so about what waiting adds to it at most. */
const SHARE = 0.005;

/** Nobody ever wakes it. */
const BELL = new Int32Array(new SharedArrayBuffer(4));

/**
 * Resolves once `pending`, a promise of a device, is settled, and keeps the processor free until then. Dawn
 * polls in every turn of the event loop while one of its promises is pending: left alone, that keeps a core
 * busy, which on a CPU driver the kernels should have. So the thread sleeps between turns, longer the longer
 * the work takes.
 */
export async function restWhile(pending: Promise<unknown>): Promise<void> {
  let isPending = true;
  const settle = () => {
    isPending = false;
  };
  pending.then(settle, settle);
  const start = performance.now();
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!isPending) return;
    const pause = SHARE * (performance.now() - start);
    Atomics.wait(BELL, 0, 0, Math.min(Math.max(pause, SHORTEST), LONGEST));
  }
}
