/** `npx tsx src/data/simulate`: see `simulate-command.node.ts`. */
import { SonoliftError } from '../errors.ts';
import { noteInterruption } from '../interruption.ts';
import { simulateCommand } from './simulate-command.node.ts';

try {
  await simulateCommand(
    process.argv.slice(2),
    (text) => process.stdout.write(text),
    (line) => process.stderr.write(`${line}\n`),
    noteInterruption(),
  );
} catch (error) {
  if (!(error instanceof SonoliftError)) throw error;
  process.stderr.write(`${error.name}: ${error.message}\n`);
  process.exitCode = error.exitCode;
}
