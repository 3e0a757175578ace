/** The checkpoint that the next start goes on from. */
import type { Remote } from 'comlink';
import { chosenFiles } from '../ui/drop-zone.ts';
import { block, button, input } from '../ui/elements.ts';
import type { Messages } from '../ui/messages.ts';
import type { TrainService } from '../worker/train.worker.ts';
import { fillFrom } from './form.ts';

export interface ChosenCheckpoint {
  readonly name: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

export class CheckpointChoice {
  private chosen: ChosenCheckpoint | undefined;

  constructor(worker: () => Remote<TrainService>, messages: Messages) {
    const file = input('checkpoint-file');
    file.addEventListener('change', async () => {
      if (!file.files?.length) return;
      try {
        const { state, ...chosen } = await worker().readCheckpoint(chosenFiles(file));
        fillFrom(state);
        this.chosen = chosen;
        block('checkpoint-note').textContent =
          `Start goes on from ${chosen.name} (${state.architecture.method}, step ${state.step})`;
        messages.say('The form was set to the checkpoint. Choose the same pairs, then start.');
      } catch (error) {
        messages.fail(error);
      }
      file.value = '';
      button('checkpoint-forget').hidden = !this.chosen;
    });
    button('checkpoint-forget').addEventListener('click', () => this.forget());
  }

  get value(): ChosenCheckpoint | undefined {
    return this.chosen;
  }

  forget(): void {
    this.chosen = undefined;
    block('checkpoint-note').textContent = 'Start begins from nothing';
    button('checkpoint-forget').hidden = true;
  }
}
