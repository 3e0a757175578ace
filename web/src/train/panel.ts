/** The training tab. */
import { proxy } from 'comlink';
import { download } from '../ui/download.ts';
import { acceptDrops, chosenFiles } from '../ui/drop-zone.ts';
import { block, button, element, input } from '../ui/elements.ts';
import { watchVisibility } from '../ui/hidden.ts';
import { messagesOf } from '../ui/messages.ts';
import { trainWorker } from '../worker/client.ts';
import type { RunStarted, TimedStep } from '../worker/train.worker.ts';
import { CheckpointChoice } from './checkpoint-choice.ts';
import { Curves } from './curves.ts';
import type { NamedFile } from './data.ts';
import { chooseOwnPairs, fillMethods, memoryLimit, readData, readOptions } from './form.ts';
import { clearSamples, showSamples } from './samples-view.ts';

/** One line a step, as `src/train` writes its `log.jsonl`. */
function logLines(steps: readonly TimedStep[]): string {
  const lines = steps.map(({ step, epoch, learningRate, milliseconds, losses }) =>
    JSON.stringify({
      step,
      epoch,
      lr: learningRate,
      scale: 1,
      seconds: milliseconds / 1000,
      ...losses,
    }),
  );
  return lines.map((line) => `${line}\n`).join('');
}

type State = 'idle' | 'busy' | 'running' | 'paused';

/**
 * @param onUse takes the generator's file over to the enhance tab
 * @returns what must be drawn anew when colours or widths change
 */
export function startTraining(onUse: (generator: Uint8Array) => void): { redraw(): void } {
  const panel = new TrainPanel(onUse);
  return { redraw: () => panel.redraw() };
}

class TrainPanel {
  private readonly messages = messagesOf(block('train-status'), block('train-error'));
  private readonly curves = new Curves();
  private readonly checkpoint = new CheckpointChoice(trainWorker, this.messages);
  private readonly progress = element('train-progress', HTMLProgressElement);
  private readonly onUse: (generator: Uint8Array) => void;
  private files: readonly NamedFile[] = [];
  private state: State = 'idle';
  private hasRun = false;
  private isDone = false;
  private latest: TimedStep | undefined;
  private log: TimedStep[] = [];
  private stepAtHiding = 0;

  constructor(onUse: (generator: Uint8Array) => void) {
    this.onUse = onUse;
    fillMethods();
    this.listen();
    this.setState('idle');
  }

  redraw(): void {
    this.curves.rebuild();
  }

  private listen(): void {
    element('train-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      void this.start();
    });
    button('train-pause').addEventListener('click', () => {
      if (this.state === 'running') void trainWorker().pause();
      else void this.go();
    });
    button('train-step').addEventListener('click', () => this.oneStep());
    for (const id of ['pairs-zip', 'pairs-folder']) {
      const chooser = input(id);
      chooser.addEventListener('change', () => this.takePairs(chosenFiles(chooser)));
    }
    acceptDrops(block('pairs-drop'), (files) => this.takePairs(files));
    this.listenToExports();
    watchVisibility(
      () => {
        this.stepAtHiding = this.latest?.step ?? 0;
      },
      (minutes) => {
        if (minutes === undefined || !this.latest) return;
        const done = this.latest.step - this.stepAtHiding;
        const went = done > 0 ? `training went on for ${done} steps` : 'training did not go on';
        this.messages.say(`This page was hidden for ${minutes} min; ${went}. Nothing was lost.`);
      },
    );
  }

  private listenToExports(): void {
    button('checkpoint-save').addEventListener('click', () =>
      this.exclusive(async () => {
        const { step, zip } = await trainWorker().checkpoint();
        download(`step-${String(step).padStart(6, '0')}.zip`, zip, 'application/zip');
        this.messages.say(
          `Checkpoint of step ${step} saved; unzip it into RUN/checkpoints for src/train.`,
        );
      }),
    );
    button('generator-export').addEventListener('click', () =>
      this.exclusive(async () => {
        const bytes = await trainWorker().exportGenerator();
        download('G_H.safetensors', bytes, 'application/octet-stream');
      }),
    );
    button('generator-use').addEventListener('click', () =>
      this.exclusive(async () => this.onUse(await trainWorker().exportGenerator())),
    );
    button('log-export').addEventListener('click', () => {
      download('log.jsonl', logLines(this.log), 'application/jsonl');
    });
    button('pairs-export').addEventListener('click', () =>
      this.exclusive(async () => {
        download('pairs.zip', await trainWorker().exportPairs(), 'application/zip');
      }),
    );
  }

  private takePairs(files: readonly NamedFile[]): void {
    if (!files.length) return;
    this.files = files;
    chooseOwnPairs();
    const more = files.length > 1 ? ` and ${files.length - 1} more` : '';
    block('pairs-note').textContent = `${files[0].path}${more}`;
  }

  private async start(): Promise<void> {
    if (this.state === 'running' || this.state === 'busy') return;
    const before = this.state;
    this.setState('busy');
    this.messages.say('Preparing pairs and networks …');
    try {
      const options = readOptions();
      const data = readData(this.files);
      await trainWorker().setMemoryLimit(memoryLimit());
      const chosen = this.checkpoint.value;
      const started = await trainWorker().start(options, data, chosen && { ...chosen });
      this.begin(started, Number(options.steps));
    } catch (error) {
      this.messages.fail(error);
      this.setState(before);
      return;
    }
    await this.go();
  }

  private begin(started: RunStarted, steps: number): void {
    this.hasRun = true;
    this.isDone = started.isDone;
    this.latest = undefined;
    this.log = [];
    this.curves.clear();
    clearSamples();
    this.progress.max = steps;
    this.progress.value = started.step;
    const { train, val, test } = started.counts;
    const sizes = Object.entries(started.parameters)
      .map(([name, count]) => `${name} ${count.toLocaleString('en')}`)
      .join(', ');
    const notices = started.notices.map((line) => `; ${line}`).join('');
    block('step-title').textContent = `Step ${started.step}`;
    block('run-note').textContent =
      `Runs on ${started.adapter}; ${train} pairs to train, ${val} to validate, ${test} to test; parameters ${sizes}${notices}`;
    this.checkpoint.forget();
  }

  /** Trains until paused or done. */
  private async go(): Promise<void> {
    if (!this.hasRun || this.isDone || this.state === 'running') return;
    this.setState('running');
    this.messages.say('Training …');
    try {
      const ended = await trainWorker().train(
        proxy((step: TimedStep) => this.show(step)),
        proxy(showSamples),
      );
      this.isDone = ended.isDone;
      await this.refreshSamples();
      this.messages.say(
        ended.isDone ? `Done after ${ended.step} steps.` : `Paused at step ${ended.step}.`,
      );
    } catch (error) {
      await this.failRun(error);
    }
    this.setState('paused');
  }

  private async oneStep(): Promise<void> {
    await this.exclusive(async () => {
      this.show(await trainWorker().step());
      await this.refreshSamples();
    });
  }

  /** Shows the error, and where the run goes on if it can. */
  private async failRun(error: unknown): Promise<void> {
    this.messages.fail(error);
    const kept = await trainWorker().keptStep();
    if (kept < 0) return;
    block('train-status').textContent =
      `The run is kept as of step ${kept}: resume goes on from there.`;
  }

  /** Work that must not meet other work of the run. */
  private async exclusive(work: () => Promise<void>): Promise<void> {
    const before = this.state;
    if (before === 'busy' || before === 'running') return;
    this.setState('busy');
    try {
      await work();
    } catch (error) {
      await this.failRun(error);
    }
    this.setState(before);
  }

  private show(step: TimedStep): void {
    this.latest = step;
    this.log.push(step);
    this.curves.add(step);
    this.progress.value = step.step;
    const rate = step.learningRate.toPrecision(2);
    block('step-title').textContent =
      `Step ${step.step}, epoch ${step.epoch + 1}: ${step.milliseconds.toFixed(0)} ms, learning rate ${rate}`;
  }

  private async refreshSamples(): Promise<void> {
    const samples = await trainWorker().samples();
    showSamples(samples, this.latest?.step ?? this.progress.value);
  }

  private setState(state: State): void {
    this.state = state;
    const isFree = state === 'idle' || state === 'paused';
    button('train-start').disabled = !isFree;
    const pause = button('train-pause');
    pause.textContent = state === 'paused' ? 'Resume' : 'Pause';
    pause.disabled = state !== 'running' && (state !== 'paused' || this.isDone);
    button('train-step').disabled = state !== 'paused' || this.isDone;
    for (const id of [
      'checkpoint-save',
      'generator-export',
      'generator-use',
      'log-export',
      'pairs-export',
    ]) {
      button(id).disabled = state !== 'paused';
    }
  }
}
