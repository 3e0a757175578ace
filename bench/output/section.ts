import { readFileSync } from 'node:fs';
import { readFailure, writeFileAtomic } from '../../src/files.ts';

/*
 * `bench/RESULTS.md` is made of sections, each between two comments that name it. A program replaces
 * its own and leaves the rest, prose around the sections included, as it is.
 */

const begin = (name: string): string => `<!-- ${name}: measured -->`;
const end = (name: string): string => `<!-- ${name}: end -->`;

/**
 * `text` with the body of section `name` replaced; a section that is not there yet is added at the
 * end under a heading.
 */
export function replaceSection(text: string, name: string, body: string): string {
  const section = `${begin(name)}\n\n${body.trim()}\n\n${end(name)}`;
  const [from, to] = [text.indexOf(begin(name)), text.indexOf(end(name))];
  if (from < 0 || to < from) {
    const before = text.trimEnd();
    return `${before}${before ? '\n\n' : ''}## ${name}\n\n${section}\n`;
  }
  return text.slice(0, from) + section + text.slice(to + end(name).length);
}

/** Writes a section into a file, which is made if it does not exist. */
export async function writeSection(path: string, name: string, body: string): Promise<void> {
  let text = '# Measured results\n';
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new Error(`${path}: cannot be read: ${readFailure(error)}`, { cause: error });
    }
  }
  await writeFileAtomic(path, replaceSection(text, name, body));
}
