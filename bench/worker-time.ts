import { readdirSync, readFileSync } from 'node:fs';

/**
 * Nanoseconds of processor time that this process's threads other than the main one have used. On a
 * software driver that is the work of its kernels (and of its compiler): other programs on the
 * machine, and Dawn's polling on the main thread, do not count. `undefined` where the system does
 * not tell (it is Linux's schedstat).
 */
export function workerNanoseconds(): number | undefined {
  try {
    let sum = 0;
    for (const thread of readdirSync('/proc/self/task')) {
      if (Number(thread) === process.pid) continue;
      sum += Number(readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    }
    return sum;
  } catch {
    return undefined;
  }
}

/** Nanoseconds of processor time of the main thread: what the host itself does, other programs aside. */
export function mainNanoseconds(): number | undefined {
  try {
    const path = `/proc/self/task/${process.pid}/schedstat`;
    return Number(readFileSync(path, 'utf8').split(' ')[0]);
  } catch {
    return undefined;
  }
}
