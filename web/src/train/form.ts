/** The form of the training tab as options of `src/train`, and back. */
import { UsageError } from 'sonolift';
import {
  findMethod,
  METHOD_NAMES,
  type OptionValues,
  TRAIN_OPTIONS,
  type TrainingState,
} from 'sonolift/train';
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
    const number = Number(value);
    // What is no number is left for the option itself to refuse.
    options[name] = isNumber && Number.isFinite(number) ? number : value;
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

/** The option of a checkpoint's field; undefined where it is none (`pairs`, `channels`). */
function optionOf(key: string): string | undefined {
  const kebab = key.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
  // Two names are spelt shorter on the command line.
  const name = kebab.replace(/^learning-rate/, 'lr').replace('padding-mode', 'padding');
  return Object.hasOwn(TRAIN_OPTIONS, name) ? name : undefined;
}

/**
 * The options that a checkpoint's state tells of, as on the command line: all that decide whether a run
 * goes on as it would have.
 */
export function optionsOf({ architecture, extra = {} }: TrainingState): OptionValues {
  const options: Record<string, string | number> = {};
  // What falls how is told by the names of the fall alone.
  if (extra.lrDecay !== undefined) options.schedule = 'linear';
  if (extra.lrEvery !== undefined) options.schedule = 'step';
  // Of runs whose losses rise over a share of them.
  if (typeof extra.plannedSteps === 'number') options.steps = extra.plannedSteps;
  for (const [key, value] of Object.entries({ ...architecture, ...extra })) {
    const name = optionOf(key);
    if (name === undefined) continue;
    if (typeof value === 'boolean') options[name] = value ? 'on' : 'off';
    else if (TRAIN_OPTIONS[name].choices) options[name] = String(value);
    else if (typeof value === 'number' || typeof value === 'string') options[name] = value;
  }
  return withoutIdle(architecture.method, options);
}

/** Leaves out what the method does not take, or does not use beside its other options. */
function withoutIdle(method: string, options: Readonly<Record<string, string | number>>) {
  const kind = findMethod(method);
  if (!kind) return options;
  const { pairing: _, ...others } = options;
  const hasPairing = Object.hasOwn(kind.defaults('paper', Number(options.size)), 'pairing');
  const { names } = kind.unused({
    number: (name) => Number(options[name]),
    choice: (name, choices) => {
      const found = choices.find((choice) => choice === options[name]);
      if (found === undefined) throw new UsageError(`${name}: found ${options[name]}`);
      return found;
    },
  });
  const taken = Object.entries(hasPairing ? options : others);
  return Object.fromEntries(taken.filter(([name]) => !names.includes(name)));
}

/** Sets the form to what a checkpoint says of its run. */
export function fillFrom(state: TrainingState): void {
  const more: string[] = [];
  for (const [name, value] of Object.entries(optionsOf(state))) {
    if (FIELDS.some((known) => known === name)) field(name).value = String(value);
    else more.push(`--${name} ${String(value)}`);
  }
  field('more').value = more.join(' ');
}
