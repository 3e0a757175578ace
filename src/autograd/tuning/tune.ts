import { GpuError } from '../../errors.ts';
import { type ChosenVariants, KernelChoices } from '../../gpu/choices.ts';
import type { Gpu } from '../../gpu/gpu.ts';
import { TuningCache } from '../../gpu/tuning/cache.ts';
import type { Contest } from '../../gpu/tuning/contest.ts';
import { type TuningRecord, type TuningRecords, textHash } from '../../gpu/tuning/records.ts';
import { type Stopwatch, Tuner } from '../../gpu/tuning/tuner.ts';
import { contestOf } from './contests.ts';
import { surveyProgram } from './survey.ts';

export interface TuneOptions {
  readonly log: (line: string) => void;
  /** Milliseconds that finding out what is asked for and measuring may take; default 18 s. */
  readonly budget?: number;
  readonly stopwatch?: Stopwatch;
}

/** A start must not be held up for more than 20 s; the last run that was begun needs time to end. */
const BUDGET = 18_000;

/**
 * Chooses kernels for a program by measurement, as `gpu.tuning` says: from the cache and, within the budget,
 * by measuring what the cache lacks. To be called before the program runs, so that none of its
 * steps is another's in the last bit; the choices then stay.
 * @param record records what the program does on the device that it is given, without reading
 */
export async function tuneConvolutions(
  gpu: Gpu,
  record: (blank: Gpu) => void,
  { log, budget = BUDGET, stopwatch }: TuneOptions,
): Promise<void> {
  const { mode, store } = gpu.tuning;
  if (mode === 'off') return;
  const start = performance.now();
  const candidates = candidatesOf(gpu, record);
  const cache = new TuningCache(store, gpu.identity, log);
  const known: TuningRecords = mode === 'on' ? await cache.load() : new Map();
  const missing = candidates.filter(({ key, contest }) => !isKnown(contest, known.get(key)));
  const remaining = start + budget - performance.now();
  const tuner = new Tuner(gpu, { log, budget: remaining, ...(stopwatch && { stopwatch }) });
  const { verdicts } = await tuner.run(missing.map(({ contest }) => contest));
  const changed = new Map<string, TuningRecord>();
  const chosen: Record<string, string> = { ...gpu.choices.toJSON() };
  let others = 0;
  let left = 0;
  for (const candidate of candidates) {
    const { key, contest } = candidate;
    const verdict = verdicts.get(contest.shapeClass);
    const before = verdict ? { ...verdict, checked: [contest.sizes] } : known.get(key);
    const after = isKnown(contest, before) ? await checkSizes(tuner, candidate, before) : undefined;
    if (after && after !== known.get(key)) changed.set(key, after);
    const all = [contest, ...candidate.more];
    if (after && all.every(({ sizes }) => after.checked.includes(sizes))) {
      chosen[contest.shapeClass] = after.variant;
      if (after.variant !== contest.variants[0].name) others++;
    } else {
      delete chosen[contest.shapeClass];
      left++;
    }
  }
  if (changed.size) await cache.add(changed);
  gpu.choices = new KernelChoices(chosen);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const later = left ? `, ${left} left for a later start` : '';
  log(
    `kernels: ${candidates.length} shape classes have a choice, ${verdicts.size} measured in ${seconds} s${later}; ${others} leave the default`,
  );
}

/** A shape class that has a choice. */
interface Candidate {
  /** Of its record in the cache. */
  readonly key: string;
  /** What is measured, and the same at all other sizes of the program. */
  readonly contest: Contest;
  readonly more: readonly Contest[];
}

function candidatesOf(gpu: Gpu, record: (blank: Gpu) => void): Candidate[] {
  const classes = [...surveyProgram(gpu, record)].filter(([, found]) => found.variants.length > 1);
  return classes.map(([name, { requests, uses }]) => {
    const [contest, ...more] = requests.map((request) =>
      contestOf(name, request, uses, gpu.profile),
    );
    return { key: `${name} #${kernelsOf(contest)}`, contest, more };
  });
}

/** Whether there is a record, and of a variant that there still is. */
function isKnown({ variants }: Contest, record: TuningRecord | undefined): record is TuningRecord {
  return record !== undefined && variants.some(({ name }) => name === record.variant);
}

/**
 * Compares the chosen variant with the default at the sizes of the program where that was not done yet, as
 * far as time goes. One difference, and the class goes back to the default.
 */
async function checkSizes(
  tuner: Tuner,
  { contest, more }: Candidate,
  record: TuningRecord,
): Promise<TuningRecord> {
  const { variant } = record;
  const checked = [...record.checked];
  for (const each of [contest, ...more]) {
    if (checked.includes(each.sizes)) continue;
    const [, ...others] = each.variants;
    // Where the variant is not to be had, or is the default, the default runs.
    if (others.some(({ name }) => name === variant)) {
      const wrong = await tuner.check(each, variant);
      if (wrong === undefined) continue;
      if (wrong) {
        const struckOff = { ...record.struckOff, [variant]: `${each.sizes}: ${wrong}` };
        return { ...record, variant: contest.variants[0].name, struckOff, checked: [] };
      }
    }
    checked.push(each.sizes);
  }
  return checked.length === record.checked.length ? record : { ...record, checked };
}

/**
 * Takes choices that a run recorded, whatever the cache says now. Runs over f16 from before these had classes of
 * their own recorded those of f32, which held for both.
 * @throws GpuError `unsupported` if a recorded variant is none of this adapter's
 */
export function useRecordedChoices(
  gpu: Gpu,
  record: (blank: Gpu) => void,
  chosen: ChosenVariants,
): void {
  const used: Record<string, string> = { ...chosen };
  if (Object.keys(chosen).length) {
    const isOld = Object.keys(chosen).every((name) => !/ f\d+>f\d+$/.test(name));
    for (const [name, { variants, untyped }] of surveyProgram(gpu, record)) {
      const variant = chosen[name] ?? (isOld ? chosen[untyped] : undefined);
      if (variant === undefined) continue;
      used[name] = variant;
      if (variants.includes(variant)) continue;
      throw new GpuError(
        'unsupported',
        `the run was made with kernel '${variant}' for '${name}', and this adapter has ${variants.join(', ')}`,
      );
    }
  }
  gpu.choices = new KernelChoices(used);
}

const codeHashes = new Map<string, string>();

/** What tells the variants of a contest: their names and all their code. */
function kernelsOf({ variants }: Contest): string {
  const parts = variants.map(({ name, plan }) => {
    const kernels = plan().steps.map(({ kernel }) => {
      let hash = codeHashes.get(kernel.key);
      if (hash === undefined) {
        hash = textHash(kernel.code());
        codeHashes.set(kernel.key, hash);
      }
      return hash;
    });
    return `${name}: ${kernels.join()}`;
  });
  return textHash(parts.join('\n'));
}
