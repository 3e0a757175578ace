/** The form of the training tab as options of `src/train`, and back. */
import { UsageError } from 'sonolift';
import { METHOD_NAMES, type OptionValues, TRAIN_OPTIONS, type TrainingState } from 'sonolift/train';
import { element } from '../ui/elements.ts';
import type { DataChoice, NamedFile } from './data.ts';

/** Fields that are options of the same name. */
const FIELDS = ['method', 'size', 'batch', 'ngf', 'ndf', 'lr', 'seed', 'steps'] as const;

const form = (): HTMLFormElement => element('train-form', HTMLFormElement);

function field(name: string): HTMLInputElement | HTMLSelectElement {
  const found = form().elements.namedItem(name);
  if (found instanceof HTMLInputElement || found instanceof HTMLSelectElement) return found;
  throw new Error(`index.html: no field ${name} in the training form`);
}

const numberOf = (name: string): number => Number(field(name).value);

export function fillMethods(): void {
  const list = field('method');
  list.replaceChildren(...METHOD_NAMES.map((name) => new Option(name, name)));
}

/**
 * Options as on the command line of `src/train`. What the page has no field for has the program's
 * default; the perceptual loss is that of random features, where the method takes one.
 * @throws UsageError for a word under "more options" that is no option
 */
export function readOptions(): OptionValues {
  const method = field('method').value;
  const own: Record<string, string | number> = {};
  for (const name of FIELDS) own[name] = name === 'method' ? method : numberOf(name);
  if (method === 'proposed') own.perceptual = 'random-features';
  // Nothing ends a run here but its steps.
  own.epochs = 1_000_000;
  return { ...own, ...parseMore(field('more').value) };
}

/**
 * Reads `--name value --name value`.
 * @throws UsageError naming what is not understood
 */
export function parseMore(text: string): OptionValues {
  const words = text.split(/\s+/).filter(Boolean);
  const options: Record<string, string | number> = {};
  for (let i = 0; i < words.length; i += 2) {
    const name = words[i].replace(/^--/, '');
    const value = words[i + 1];
    const known = Object.hasOwn(TRAIN_OPTIONS, name) ? TRAIN_OPTIONS[name] : undefined;
    if (!words[i].startsWith('--') || !known) {
      throw new UsageError(`more options: expected an option of src/train, found ${words[i]}`);
    }
    if (value === undefined) throw new UsageError(`more options: ${words[i]} needs a value`);
    const isNumber = known.type === 'number' || typeof known.default === 'number';
    options[name] = isNumber ? Number(value) : value;
  }
  return options;
}

/** @throws UsageError if own pairs are wanted and none were chosen */
export function readData(files: readonly NamedFile[]): DataChoice {
  if (dataKind() === 'simulated') {
    const [count, size, seed] = ['count', 'picture', 'data-seed'].map(numberOf);
    return { kind: 'simulated', count, size, seed };
  }
  if (!files.length) throw new UsageError('no pairs were chosen: drop a folder or choose a zip');
  return { kind: 'files', files };
}

function dataKind(): string {
  const chosen = form().elements.namedItem('data');
  return chosen instanceof RadioNodeList ? chosen.value : '';
}

export function chooseOwnPairs(): void {
  const group = form().elements.namedItem('data');
  if (group instanceof RadioNodeList) group.value = 'files';
}

/** The limit of device memory in MiB. */
export const memoryLimit = (): number => numberOf('memory');

/** Names of a checkpoint's state by those of the fields. */
const STATE_FIELDS: Readonly<Record<string, string>> = {
  size: 'size',
  batch: 'batch',
  seed: 'seed',
  lr: 'learningRate',
};

/** Options of the architecture that have a field or can be given under "more options". */
const SHAPES = ['ngf', 'ndf', 'levels', 'blocks', 'norm'] as const;

/**
 * Sets the form to what a checkpoint says of its run. Options without a field stay as they are; where
 * they differ, starting says which.
 */
export function fillFrom({ architecture, extra = {} }: TrainingState): void {
  field('method').value = architecture.method;
  for (const [name, source] of Object.entries(STATE_FIELDS)) {
    if (extra[source] !== undefined) field(name).value = String(extra[source]);
  }
  const more = { ...parseMoreQuietly(field('more').value) };
  for (const name of SHAPES) {
    const value = architecture[name];
    if (value === undefined) delete more[name];
    else if (name === 'ngf' || name === 'ndf') field(name).value = String(value);
    else more[name] = String(value);
  }
  if (typeof extra.perceptual === 'string') more.perceptual = extra.perceptual;
  field('more').value = Object.entries(more)
    .map(([name, value]) => `--${name} ${String(value)}`)
    .join(' ');
}

function parseMoreQuietly(text: string): OptionValues {
  try {
    return parseMore(text);
  } catch {
    return {};
  }
}
