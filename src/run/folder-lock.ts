/** One writer a folder, among processes of one machine and of several that share a file system. */
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { link, mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../errors.ts';
import { writeError, writeFileAtomic } from '../files.ts';

const LOCK_FILE = 'lock.json';
/** How often a holder shows that it is alive. */
const HEARTBEAT_SECONDS = 30;
/** A holder on another machine that has not shown itself for so long is taken for gone. */
const SILENCE_SECONDS = 600;

/** A process, told apart from a later one with the same number by when it started. */
interface Holder {
  readonly host: string;
  readonly process: number;
  /** Clock ticks since the machine started, where the system tells. */
  readonly started: string | undefined;
}

/** A held lock. */
export interface FolderLock {
  /** Also counts a child as holder, so that one that outlives its parent keeps the folder. */
  addChild(pid: number): Promise<void>;
  release(): Promise<void>;
}

/** When a process started, from Linux's /proc; undefined if it is not running or cannot be told. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in parentheses and may hold spaces; starttime is field 22.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function holderOf(pid: number): Holder {
  return { host: hostname(), process: pid, started: startOf(pid) };
}

function isRunning({ process: pid, started }: Holder): boolean {
  // A container that starts again gives its process the number that the last one had.
  if (pid === process.pid) return started !== undefined && started === startOf(pid);
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  const now = startOf(pid);
  return started === undefined || now === undefined || now === started;
}

function parseHolders(text: string): Holder[] {
  const parsed: unknown = JSON.parse(text);
  return Array.isArray(parsed) ? (parsed as Holder[]) : [];
}

/**
 * The holder that still has a lock; undefined if all are gone.
 * @param now the file system's own time, since clocks of machines differ
 */
function livingHolder(path: string, text: string, now: number): Holder | undefined {
  const holders = parseHolders(text);
  const here = holders.filter(({ host }) => host === hostname());
  const elsewhere = holders.find(({ host }) => host !== hostname());
  if (!elsewhere) return here.find(isRunning);
  return now - statSync(path).mtimeMs < SILENCE_SECONDS * 1000 ? elsewhere : undefined;
}

function readLock(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Takes a folder (made if missing) for this process.
 * @throws UsageError naming the process that has it; DataError if the folder cannot be written
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, LOCK_FILE);
  const own = `${path}.${randomBytes(6).toString('hex')}`;
  const holders = [holderOf(process.pid)];
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(own, JSON.stringify(holders));
  } catch (error) {
    throw writeError(folder, error);
  }
  try {
    await take(folder, path, own);
  } finally {
    await rm(own, { force: true });
  }
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT_SECONDS * 1000);
  timer.unref();
  return {
    addChild: async (pid) => {
      holders.push(holderOf(pid));
      await writeFileAtomic(path, JSON.stringify(holders));
    },
    release: async () => {
      clearInterval(timer);
      await rm(path, { force: true });
    },
  };
}

/** Links the prepared file to the lock's name, which only one process can do at a time. */
async function take(folder: string, path: string, own: string): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      await link(own, path);
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) {
        throw writeError(path, error);
      }
    }
    const text = readLock(path);
    if (text === undefined) continue;
    const holder = livingHolder(path, text, statSync(own).mtimeMs);
    if (holder) {
      throw new UsageError(
        `${folder}: is in use by process ${holder.process} on ${holder.host}; if that is gone, remove ${path}`,
      );
    }
    await removeStale(path, text);
  }
  throw new UsageError(`${folder}: another process has just taken it`);
}

/** Removes a lock that was found stale, unless another process has replaced it meanwhile. */
async function removeStale(path: string, text: string): Promise<void> {
  // Only one process can make this second name; whoever fails finds a new lock on the next attempt.
  const guard = `${path}.stale`;
  try {
    await writeFile(guard, '', { flag: 'wx' });
  } catch {
    // Left by a kill in the few instructions below, or in use by another process just now.
    const made = statSync(guard, { throwIfNoEntry: false })?.mtimeMs;
    if (made !== undefined && Date.now() - made > SILENCE_SECONDS * 1000) {
      await rm(guard, { force: true });
    }
    return;
  }
  try {
    if (readLock(path) === text) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}
