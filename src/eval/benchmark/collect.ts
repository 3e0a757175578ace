import { DataError } from '../../errors.ts';
import type { SystemScores } from '../../metrics/ranking.ts';
import type { Scores } from '../../run/evaluate.ts';
import {
  checkSettings,
  type JobScores,
  readScores,
  readTrained,
  type TrainedRun,
} from './job-folder.ts';
import type { Job } from './jobs.ts';
import type { BenchmarkPlan, Entry } from './options.ts';
import type { Scoring } from './scoring.ts';

/** A job that is done. */
export interface DoneJob {
  readonly job: Job;
  readonly trained: TrainedRun;
  readonly scores: JobScores;
}

/** A job that is not, and how far it is. */
export interface MissingJob {
  readonly job: Job;
  readonly state: string;
}

/** What all jobs left. */
export interface Collection {
  readonly done: readonly DoneJob[];
  readonly missing: readonly MissingJob[];
}

/**
 * Reads what jobs left.
 * @throws UsageError or DataError for a job that was done with other settings or data
 */
export async function collectJobs(
  jobs: readonly Job[],
  plan: BenchmarkPlan,
  scoring: Scoring,
): Promise<Collection> {
  const done: DoneJob[] = [];
  const missing: MissingJob[] = [];
  for (const job of jobs) {
    const begun = await checkSettings(job, plan);
    const trained = begun ? await readTrained(job) : undefined;
    const scores = trained && (await readScores(job, plan, scoring));
    if (trained && scores) done.push({ job, trained, scores });
    else missing.push({ job, state: stateOf(begun, trained) });
  }
  return { done, missing };
}

function stateOf(begun: boolean, trained: TrainedRun | undefined): string {
  if (!begun) return 'not begun';
  return trained ? 'trained, not scored' : 'training not finished';
}

/** A held-out image. */
export interface HeldOutImage {
  readonly organ: string;
  readonly name: string;
}

/** Scores of all systems on the images that all of them were scored on. */
export interface MergedScores {
  readonly images: readonly HeldOutImage[];
  /** "Reference low", then the systems in the order asked for; a score is the mean over jobs. */
  readonly systems: readonly SystemScores[];
  /** Images that some system was scored on and another was not; not among `images`. */
  readonly left: number;
}

/** Names the row that scores the low-quality images as they are. */
export const REFERENCE_LOW = 'reference-low';

/** Largest difference of a host metric of one image between two jobs: JSON keeps doubles whole. */
const SAME_SCORE = 1e-9;

/**
 * Merges jobs into one score a system, metric and image: the mean over the seeds and splits that held the
 * image out. Only images that every system has been scored on count, so that all are compared on the
 * same ones.
 * @throws DataError if no image is left, or two jobs scored different pictures under one name
 */
export function mergeScores(
  done: readonly DoneJob[],
  entries: readonly Entry[],
  metrics: readonly string[],
): MergedScores {
  const present = entries.filter(({ id }) => done.some(({ job }) => job.entry.id === id));
  const reference = new Map<string, Scores[]>();
  const bySystem = new Map(present.map(({ id }) => [id, new Map<string, Scores[]>()]));
  const images = new Map<string, HeldOutImage>();
  for (const { job, scores } of done) {
    for (const { organ, name, enhanced, reference: low } of scores.pairs) {
      const key = `${organ}/${name}`;
      images.set(key, { organ, name });
      const known = reference.get(key);
      requireSamePicture(job, key, known?.[0], low);
      push(reference, key, low);
      push(bySystem.get(job.entry.id) ?? new Map(), key, enhanced);
    }
  }
  const shared = [...images.keys()]
    .filter((key) => [...bySystem.values()].every((scores) => scores.has(key)))
    .sort();
  if (shared.length === 0) {
    throw new DataError('expected held-out images that every system was scored on, found none');
  }
  const systemOf = (id: string, label: string, scores: ReadonlyMap<string, Scores[]>) => ({
    id,
    label,
    scores: Object.fromEntries(
      metrics.map((metric) => [metric, shared.map((key) => meanScore(scores.get(key), metric))]),
    ),
  });
  return {
    images: shared.map((key) => images.get(key) as HeldOutImage),
    systems: [
      systemOf(REFERENCE_LOW, 'Reference low', reference),
      ...present.map(({ id, label }) => systemOf(id, label, bySystem.get(id) ?? new Map())),
    ],
    left: images.size - shared.length,
  };
}

function push(lists: Map<string, Scores[]>, key: string, scores: Scores): void {
  const list = lists.get(key);
  if (list) list.push(scores);
  else lists.set(key, [scores]);
}

function meanScore(list: readonly Scores[] | undefined, metric: string): number {
  const values = (list ?? []).map((scores) => scores[metric]);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The host metrics of a pair do not depend on the system, so two jobs must agree on them. */
function requireSamePicture(job: Job, key: string, known: Scores | undefined, low: Scores): void {
  if (!known) return;
  for (const name of ['psnr', 'ssim']) {
    if (Math.abs(known[name] - low[name]) > SAME_SCORE) {
      throw new DataError(
        `${job.folder}: scored another picture ${key} than the other jobs: ${name} of reference low ${low[name]}, expected ${known[name]}`,
      );
    }
  }
}
