import { cpus } from 'node:os';

/** Share of one core that others may use before a measurement is called disturbed. */
const TOLERATED = 0.15;

interface Reading {
  readonly wall: number;
  /** Milliseconds that all cores together have worked. */
  readonly busy: number;
  /** Of these, milliseconds of this process. */
  readonly own: number;
}

function read(): Reading {
  let busy = 0;
  for (const { times } of cpus()) busy += times.user + times.nice + times.sys + times.irq;
  const { user, system } = process.cpuUsage();
  return { wall: performance.now(), busy, own: (user + system) / 1000 };
}

/** Watches how many cores other processes use while this one measures. */
export class LoadWatch {
  private readonly start = read();

  /** Cores that others used on average since the watch began. */
  coresOfOthers(): number {
    const now = read();
    const busy = now.busy - this.start.busy - (now.own - this.start.own);
    return Math.max(0, busy / (now.wall - this.start.wall));
  }
}

/** Cores that others use just now, watched for `milliseconds`. */
export async function currentLoad(milliseconds = 500): Promise<number> {
  const watch = new LoadWatch();
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return watch.coresOfOthers();
}

/** One line about the load, or `undefined` if it is too little to matter. */
export function loadWarning(cores: number, when: string): string | undefined {
  if (cores < TOLERATED) return undefined;
  return `WARNING: other processes used ${cores.toFixed(2)} cores ${when}; times are disturbed`;
}
