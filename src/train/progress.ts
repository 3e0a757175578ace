import { formatDuration } from '../report/format.ts';
import { ProgressLine } from '../report/progress.ts';
import type { TrainConfiguration } from './configuration.ts';
import { InvertedContrast } from './inverted-contrast.ts';
import type { LogRecord } from './run-log.ts';
import type { TrainEvents } from './trainer.ts';

/** Shows a training run in the terminal: a live line, and a line for each validation. */
export class TrainProgress {
  readonly events: TrainEvents;
  private line: ProgressLine;
  private started = performance.now();

  constructor(configuration: TrainConfiguration, pairs: number) {
    const epochSteps = Math.ceil(pairs / configuration.batch);
    const total = Math.min(
      configuration.epochs * epochSteps,
      configuration.steps ?? Number.POSITIVE_INFINITY,
    );
    const lineFrom = (start: number): ProgressLine =>
      new ProgressLine({
        stream: process.stdout,
        label: 'training',
        total,
        start,
        environment: process.env,
      });
    this.line = lineFrom(0);
    const inverted = new InvertedContrast();
    this.events = {
      onStart: (step) => {
        this.line = lineFrom(step);
        this.started = performance.now();
      },
      onSteps: (records) => {
        const last = records[records.length - 1];
        const number = (name: string): number =>
          typeof last[name] === 'number' ? last[name] : Number.NaN;
        this.line.update(last.step, {
          epoch: number('epoch') + 1,
          G: number('G'),
          D: number('D'),
          ...shownDistance(last),
        });
      },
      onValidation: ({ step, scores, reference, selected, images }) => {
        const of = (name: string, digits: number): string =>
          `${name.toUpperCase()} ${scores[name].toFixed(digits)} (low ${reference[name].toFixed(digits)})`;
        this.line.note(
          `step ${step}: validation ${of('psnr', 2)}, ${of('ssim', 4)}${selected ? ', selected' : ''}`,
        );
        const warning = inverted.note(images);
        if (warning) this.line.note(warning);
      },
    };
  }

  /** Ends the live line and says how long it took. */
  finish(): void {
    this.line.end();
    const seconds = (performance.now() - this.started) / 1000;
    process.stdout.write(`trained for ${formatDuration(seconds)}\n`);
  }
}

/** The term that says best how near the images are, by what to call it. */
function shownDistance(record: LogRecord): Record<string, number> {
  const names = { l1: 'G_l1_H', registered: 'G_registration_H', cycle: 'G_cycle_H' };
  for (const [label, name] of Object.entries(names)) {
    const value = record[name];
    if (value !== undefined) return { [label]: Number(value) };
  }
  return {};
}
