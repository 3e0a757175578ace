import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import koffi from 'koffi';
import { GpuError } from '../errors.ts';
import { cacheFolders, makeCacheFolder } from './cache-folder.ts';

const PACKAGE = '@sparticuz/chromium';
const LOADER = 'libvulkan.so.1';
const MANIFEST = 'vk_swiftshader_icd.json';
/** What is needed of the archive; it also holds OpenGL libraries. */
const NEEDED = [LOADER, 'libvk_swiftshader.so', MANIFEST];

/** The bundled SwiftShader exists for this platform only. */
export const swiftShaderRunsHere = process.platform === 'linux' && process.arch === 'x64';

/**
 * Reads the named files out of a tar archive of plain files (ustar headers: name at 0, size in octal
 * at 124, 512-byte blocks).
 *
 * @throws Error when one of the names is missing or cut short
 */
export function filesOfTar(tar: Buffer, names: readonly string[]): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  const text = (start: number, end: number) => tar.toString('latin1', start, end).split('\0', 1)[0];
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const name = text(at, at + 100) ?? '';
    const size = Number.parseInt(text(at + 124, at + 136) ?? '', 8);
    const start = at + 512;
    if (!(size >= 0) || start + size > tar.length)
      throw new Error(`tar entry ${name} is cut short`);
    if (names.includes(name)) files.set(name, tar.subarray(start, start + size));
    at = start + Math.ceil(size / 512) * 512;
  }
  const missing = names.filter((name) => !files.has(name));
  if (missing.length > 0) throw new Error(`tar archive holds no ${missing.join(', ')}`);
  return files;
}

/**
 * Unpacks the SwiftShader of the npm package into `cache` unless it is there already, and returns its
 * folder. The folder appears whole or not at all, however many processes try at once.
 *
 * @throws Error when the folder cannot be written or the archive is damaged
 */
export function unpackSwiftShader(cache: string, log: (line: string) => void): string {
  makeCacheFolder(cache);
  // The entry point is build/<kind>/index; package.json itself is not exported.
  const root = join(dirname(createRequire(import.meta.url).resolve(PACKAGE)), '..', '..');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const folder = join(cache, `swiftshader-${version}`);
  const whole = () => NEEDED.every((name) => existsSync(join(folder, name)));
  if (whole()) return folder;
  const archive = readFileSync(join(root, 'bin', 'swiftshader.tar.br'));
  const files = filesOfTar(brotliDecompressSync(archive), NEEDED);
  const staging = mkdtempSync(join(cache, 'unpacking-'));
  try {
    for (const [name, bytes] of files) writeFileSync(join(staging, name), bytes, { mode: 0o755 });
    try {
      renameSync(staging, folder);
    } catch {
      // Another process was faster, or what is there lacks a file.
      if (whole()) return folder;
      rmSync(folder, { recursive: true, force: true });
      renameSync(staging, folder);
    }
    log(`unpacked SwiftShader into ${folder}`);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return folder;
}

/** Kept, since a collected handle might unload the library under Dawn's feet. */
let loaded: { handle: unknown; manifest: string } | undefined;

/**
 * Loads the bundled Vulkan loader, so that Dawn's own `dlopen('libvulkan.so.1')` finds it on a machine
 * that has none, and returns the path of SwiftShader's driver manifest.
 *
 * @throws GpuError 'no-adapter' where there is no bundled SwiftShader, or none of the cache folders
 *   can hold it
 */
export function loadSwiftShader(log: (line: string) => void): string {
  if (loaded !== undefined) return loaded.manifest;
  if (!swiftShaderRunsHere) {
    throw new GpuError(
      'no-adapter',
      `the bundled SwiftShader runs on linux-x64 only, this is ${process.platform}-${process.arch}`,
    );
  }
  const reasons: string[] = [];
  for (const cache of cacheFolders()) {
    try {
      const folder = unpackSwiftShader(cache, log);
      loaded = { handle: koffi.load(join(folder, LOADER)), manifest: join(folder, MANIFEST) };
      return loaded.manifest;
    } catch (error) {
      const reason = `${cache}: ${error instanceof Error ? error.message : String(error)}`;
      log(`cannot keep SwiftShader in ${reason}`);
      reasons.push(reason);
    }
  }
  throw new GpuError(
    'no-adapter',
    `no folder for the bundled SwiftShader (set SONOLIFT_CACHE to a writable one): ${reasons.join('; ')}`,
  );
}
