/** Which pairs of a data folder are scored: those that the run held out, not what a seed makes of the folder now. */
import type { PairName } from '../data/pairs.ts';
import { requireSplit, type SplitName, splitPairs } from '../data/split.ts';
import { DataError } from '../errors.ts';
import type { ModelFile } from '../run/model.ts';
import {
  type RecordedSplit,
  readRecordedSplit,
  recordedName,
  recordSplit,
} from '../run/recorded-split.ts';
import type { EvaluationPlan } from './configuration.ts';

type Asked = Pick<EvaluationPlan, 'data' | 'split' | 'splitSeed'>;
type Model = Pick<ModelFile, 'folder' | 'extra'>;

/** The pairs to score, and what the user must know of them. */
export interface ChosenPairs {
  /** Indices into the pairs found, ascending. */
  readonly indices: readonly number[];
  readonly splitSeed: number;
  readonly notices: readonly string[];
}

/** How to go on where the pairs held out cannot be told; it scores what was trained on, too, and says so. */
const ADVICE = 'give the pairs of the training run, or --split all to score every pair';

/**
 * Chooses the pairs to score. The split that the run recorded holds whatever was added to the folder since;
 * another `--split-seed`, and the split made anew for a run that recorded none, must not hold out what the run
 * trained on.
 *
 * @param pairs those of the folder `asked.data`
 * @throws DataError if nothing is left to score, or a set to hold out has pairs that were trained on or cannot
 *   be told from them; CheckpointError if the record is damaged
 */
export function choosePairs(pairs: readonly PairName[], asked: Asked, model: Model): ChosenPairs {
  const { data, split: set } = asked;
  const runSeed = typeof model.extra.splitSeed === 'number' ? model.extra.splitSeed : 0;
  const splitSeed = asked.splitSeed ?? runSeed;
  if (set === 'all') return { indices: pairs.map((_, index) => index), splitSeed, notices: [] };
  const recorded = readRecordedSplit(model.extra, model.folder);
  const names = recorded?.[set];
  if (recorded && names && splitSeed === runSeed) {
    return { ...recordedPairs(pairs, set, recorded, names, asked, model), splitSeed };
  }
  const indices = requireSplit(splitPairs(pairs, splitSeed), set, data);
  if (set === 'train') return { indices, splitSeed, notices: [] };
  const known = recorded ?? remadeSplit(pairs, runSeed, asked, model);
  const seen = set === 'test' ? ['train', 'val'] : ['train'];
  refuseSeen(
    indices.map((index) => recordedName(pairs[index])),
    new Set(Object.entries(known).flatMap(([name, list]) => (seen.includes(name) ? list : []))),
    `${data}: --split ${set} of --split-seed ${splitSeed}`,
    `${model.folder}/state.json, field ${recorded ? 'extra.split' : `extra.splitSeed ${runSeed}`}`,
  );
  const notices = recorded
    ? []
    : [
        `warning: ${model.folder}/state.json has no field extra.split, so that the pairs trained on are told by their number alone; renamed or exchanged pairs go unnoticed`,
      ];
  return { indices, splitSeed, notices };
}

/** The pairs of a recorded set that the folder holds. */
function recordedPairs(
  pairs: readonly PairName[],
  set: SplitName,
  recorded: RecordedSplit,
  names: readonly string[],
  { data }: Asked,
  { folder }: Model,
): Omit<ChosenPairs, 'splitSeed'> {
  const wanted = new Set(names);
  const found = pairs.map(recordedName);
  const indices = found.flatMap((name, index) => (wanted.has(name) ? [index] : []));
  const field = `${folder}/state.json, field extra.split.${set}`;
  if (indices.length === 0) {
    throw new DataError(
      `${data}: split "${set}" is empty, expected the ${names.length} pairs of ${field}, found ${pairs.length} others; ${ADVICE}`,
    );
  }
  const notices: string[] = [];
  const present = new Set(found);
  const missing = names.filter((name) => !present.has(name));
  if (missing.length) {
    notices.push(
      `warning: ${data}: expected the ${names.length} pairs of ${field}, found ${indices.length}: without ${missing[0]}${others(missing)}`,
    );
  }
  const known = new Set(Object.values(recorded).flat());
  const added = found.filter((name) => !known.has(name));
  if (added.length && recorded.train && recorded.val && recorded.test) {
    notices.push(
      `warning: ${data}: ${added.length} of ${pairs.length} pairs are in no set of the run's split and not scored: ${added[0]}${others(added)}`,
    );
  }
  return { indices, notices };
}

function others({ length }: readonly string[]): string {
  return length > 1 ? ` and ${length - 1} more` : '';
}

/**
 * The split of a run that recorded none but its seed.
 * @throws DataError if it is not what the folder's pairs give now
 */
function remadeSplit(
  pairs: readonly PairName[],
  runSeed: number,
  { data }: Asked,
  { folder, extra }: Model,
): RecordedSplit {
  const split = splitPairs(pairs, runSeed);
  const expected = extra.pairs;
  if (typeof expected === 'number' && expected !== split.train.length) {
    throw new DataError(
      `${data}: expected ${expected} training pairs as in ${folder}/state.json, field extra.pairs, found ${split.train.length}: pairs were added or taken away, and which ones were trained on is not recorded; ${ADVICE}`,
    );
  }
  const named = (set: SplitName) => split[set].map((index) => pairs[index]);
  return recordSplit({ train: named('train'), val: named('val'), test: named('test') });
}

/** @throws DataError if a set to hold out has pairs that were trained on, or that chose the model */
function refuseSeen(
  chosen: readonly string[],
  seen: ReadonlySet<string>,
  what: string,
  where: string,
): void {
  const common = chosen.filter((name) => seen.has(name));
  if (!common.length) return;
  throw new DataError(
    `${what}: expected pairs that the run did not see, found ${common.length} of ${chosen.length} that it trained on or was selected by, ${common[0]}${others(common)} (${where}); leave --split-seed out, or ${ADVICE}`,
  );
}
