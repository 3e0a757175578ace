import { readdirSync, readFileSync } from 'node:fs';

/** Processor time of each of this process's threads but the main one, in nanoseconds by thread id. */
export type WorkerTimes = ReadonlyMap<string, number>;

/**
 * Processor time that this process's threads other than the main one have used so far. On a software
 * driver that is the work of its kernels (and of its compiler): other programs on the machine, and
 * Dawn's polling on the main thread, do not count. `undefined` where the system does not tell (it is
 * Linux's schedstat).
 */
export function workerTimes(): WorkerTimes | undefined {
  const times = new Map<string, number>();
  try {
    for (const thread of readdirSync('/proc/self/task')) {
      if (Number(thread) === process.pid) continue;
      const time = timeOf(thread);
      if (time !== undefined) times.set(thread, time);
    }
  } catch {
    return undefined;
  }
  return times;
}

/** A thread may end between being listed and being asked. */
function timeOf(thread: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  } catch {
    return undefined;
  }
}

/**
 * Nanoseconds between two readings. Threads that have ended meanwhile (compilers do) are left out,
 * rather than their whole past being taken off.
 */
export function workerNanosecondsBetween(before: WorkerTimes, after: WorkerTimes): number {
  let sum = 0;
  for (const [thread, time] of after) sum += time - (before.get(thread) ?? 0);
  return sum;
}

/** Nanoseconds of processor time of the main thread: what the host itself does, other programs aside. */
export function mainNanoseconds(): number | undefined {
  return timeOf(String(process.pid));
}
