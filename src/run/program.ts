import { SonoliftError } from '../errors.ts';
import { formatHelp, type ParsedOptions, type ProgramSpec, parseOptions } from './options.ts';

/** Longest message printed; a shader compiler, say, may have much more to tell. */
const LONGEST_MESSAGE = 2000;

/**
 * Runs a command line program: prints help, maps every failure to one line on stderr,
 * `<ErrorName>: <message>`, and an exit code (`src/errors.ts`); unexpected failures keep their stack.
 */
export async function runProgram(
  spec: ProgramSpec,
  main: (options: ParsedOptions) => Promise<void>,
  args: readonly string[] = process.argv.slice(2),
): Promise<void> {
  outliveReaders();
  try {
    const options = parseOptions(spec, args);
    if (options.help) {
      process.stdout.write(formatHelp(spec));
      return;
    }
    await main(options);
  } catch (error) {
    if (error instanceof SonoliftError) {
      process.stderr.write(`${error.name}: ${oneLine(error.message)}\n`);
      process.exitCode = error.exitCode;
    } else {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exitCode = 1;
    }
  }
}

/** A message on one line, whatever line breaks a path or a parser's complaint brought in. */
function oneLine(message: string): string {
  const line = message.replace(/\s*[\r\n]+\s*/g, ' ').trim();
  return line.length > LONGEST_MESSAGE ? `${line.slice(0, LONGEST_MESSAGE)}…` : line;
}

/** A reader of the output that leaves (`| head`, a closed terminal) does not end the program. */
function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}
