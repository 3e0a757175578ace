import { SonoliftError } from '../errors.ts';
import { formatHelp, type ParsedOptions, type ProgramSpec, parseOptions } from './options.ts';

/**
 * Runs a command line program: prints help, maps every failure to one line on stderr and an exit
 * code (`src/errors.ts`); unexpected failures keep their stack.
 */
export async function runProgram(
  spec: ProgramSpec,
  main: (options: ParsedOptions) => Promise<void>,
): Promise<void> {
  try {
    const options = parseOptions(spec, process.argv.slice(2));
    if (options.help) {
      process.stdout.write(formatHelp(spec));
      return;
    }
    await main(options);
  } catch (error) {
    if (error instanceof SonoliftError) {
      process.stderr.write(`${error.name}: ${error.message}\n`);
      process.exitCode = error.exitCode;
    } else {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exitCode = 1;
    }
  }
}
