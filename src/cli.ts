#!/usr/bin/env node
/** `npx sonolift`: the programs that need no training data, built into the package. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runEnhance } from './enhance/program.ts';
import { packageFolder } from './run/package-folder.ts';

const HELP = `npx sonolift enhance IMAGE... --out DIR   enhance ultrasound images with the bundled model
npx sonolift enhance --help               its options
npx sonolift --version

Research software, not a medical device, not for diagnosis.
`;

const [command, ...args] = process.argv.slice(2);
if (command === 'enhance') {
  await runEnhance('npx sonolift enhance', args);
} else if (command === '--version') {
  const manifest = readFileSync(join(packageFolder(), 'package.json'), 'utf8');
  process.stdout.write(`${JSON.parse(manifest).version}\n`);
} else if (command === undefined || command === '--help') {
  process.stdout.write(HELP);
} else {
  process.stderr.write(`UsageError: unknown command ${command}; see npx sonolift --help\n`);
  process.exitCode = 2;
}
