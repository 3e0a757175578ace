import { CheckpointError } from '../errors.ts';
import { UPSAMPLES, type Upsample } from '../nn/upsample.ts';

/** Fields of a checkpoint's architecture; a field that does not fit is an error that names it. */
export interface ArchitectureReader {
  /** A whole number from 1 to `most`. */
  whole(name: string, most: number): number;
  /** @param missing what an architecture without the field has: it is older than the choice */
  choice<Choice extends string>(name: string, choices: readonly Choice[], missing?: Choice): Choice;
}

/**
 * Reads fields of an architecture.
 * @param source what to call it in messages
 */
export function architectureReader(
  architecture: Readonly<Record<string, unknown>>,
  source: string,
): ArchitectureReader {
  return {
    whole(name, most) {
      const value = architecture[name];
      const fits = typeof value === 'number' && Number.isInteger(value);
      if (fits && value >= 1 && value <= most) return value;
      throw wrongField(architecture, source, name, `a whole number from 1 to ${most}`);
    },
    choice(name, choices, missing) {
      if (missing !== undefined && architecture[name] === undefined) return missing;
      const found = choices.find((choice) => choice === architecture[name]);
      if (found === undefined) throw wrongField(architecture, source, name, choices.join(' or '));
      return found;
    },
  };
}

/** Checkpoints from before there was a choice are of transposed convolutions. */
export function upsampleOf(architecture: ArchitectureReader): Upsample {
  return architecture.choice('upsample', UPSAMPLES, 'transposed');
}

/** What to throw for a field that is missing or does not fit. */
export function wrongField(
  architecture: Readonly<Record<string, unknown>>,
  source: string,
  name: string,
  expected: string,
): CheckpointError {
  const value = architecture[name];
  const found = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'none');
  return new CheckpointError(
    `${source}: field architecture.${name}: expected ${expected}, found ${found}`,
  );
}
