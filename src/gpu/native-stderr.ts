import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';

const STDERR = 2;

/** What Dawn and the Vulkan loader print about drivers that another one can stand in for. */
const NOISE = [
  /^Warning: max\w+ artificially reduced from \d+ to \d+/,
  /^Warning: loader_/,
  /^Warning: vkCreateInstance: Found no drivers/,
  /^Warning: vkCreateInstance failed with VK_ERROR_INCOMPATIBLE_DRIVER/,
  /^Warning: Couldn't load Vulkan/,
  // The driver is too old for Dawn (Mesa before 23, say); another one may do.
  /^Warning: Vulkan .* required/,
  /lavapipe is not a conformant vulkan implementation/,
];

/**
 * Splits driver output into lines to show and known noise. A noise line takes the indented and
 * blank lines after it along (Dawn prints a C++ location there).
 */
export function splitDriverOutput(text: string): { shown: string[]; noise: string[] } {
  const shown: string[] = [];
  const noise: string[] = [];
  let inNoise = false;
  for (const line of text.split('\n')) {
    inNoise = NOISE.some((pattern) => pattern.test(line)) || (inNoise && /^(\s|$)/.test(line));
    if (!inNoise && line.trim() !== '') shown.push(line);
    if (inNoise && line.startsWith('Warning: ')) noise.push(line.slice('Warning: '.length));
  }
  return { shown, noise };
}

/** `dup` and `dup2` of the C library this process already has; undefined where there is none. */
function duplicators() {
  if (process.platform === 'win32') return undefined;
  try {
    const program = koffi.load(null);
    return { dup: program.func('int dup(int)'), dup2: program.func('int dup2(int, int)') };
  } catch {
    return undefined;
  }
}

/**
 * Runs a synchronous native call with the process's stderr set aside, then prints what was written
 * there less the known noise. Native code writes to the file descriptor itself, so nothing in
 * JavaScript can filter it. Does not set stderr aside on Windows, or when `VK_LOADER_DEBUG` asks the
 * Vulkan loader to talk.
 *
 * @returns the call's value, and the noise lines, which explain a missing adapter
 */
export function withQuietStderr<T>(call: () => T): { value: T; noise: string[] } {
  const aside = process.env.VK_LOADER_DEBUG ? undefined : setAside();
  if (aside === undefined) return { value: call(), noise: [] };
  const noise: string[] = [];
  try {
    return { value: call(), noise };
  } finally {
    const split = splitDriverOutput(aside.restore());
    noise.push(...split.noise);
    if (split.shown.length > 0) writeSync(STDERR, `${split.shown.join('\n')}\n`);
  }
}

/**
 * Points stderr at a new temporary file; `restore` points it back and returns what was written.
 * Undefined where that is not possible: Windows, or no place for the file.
 */
function setAside(): { restore: () => string } | undefined {
  const calls = duplicators();
  if (calls === undefined) return undefined;
  let folder: string;
  try {
    folder = mkdtempSync(join(tmpdir(), 'sonolift-stderr-'));
  } catch {
    return undefined;
  }
  // A file, not a pipe: a full pipe would block the very thread that has to empty it.
  const path = join(folder, 'log');
  const file = openSync(path, 'w');
  const saved: number = calls.dup(STDERR);
  calls.dup2(file, STDERR);
  closeSync(file);
  return {
    restore: () => {
      calls.dup2(saved, STDERR);
      closeSync(saved);
      const text = readFileSync(path, 'utf8');
      rmSync(folder, { recursive: true, force: true });
      return text;
    },
  };
}
