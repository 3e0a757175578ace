/** The model of a worker: loaded when chosen, loaded anew after a failure of the device. */
import { type Generator, type Gpu, loadGenerator } from 'sonolift';

export class ModelHolder {
  private readonly openDevice: () => Promise<Gpu>;
  /** The model as bytes: what is on a device can be lost. */
  private bytes: Uint8Array<ArrayBuffer> | undefined;
  private model: Generator | undefined;
  /** The choice that `bytes` are of. */
  private taken = 0;
  /** Calls wait for each other: what ends last would replace what was chosen last. */
  private queue: Promise<unknown> = Promise.resolve();

  /** @param openDevice the device as it is now, opened if need be */
  constructor(openDevice: () => Promise<Gpu>) {
    this.openDevice = openDevice;
  }

  /**
   * Takes another model; the one before stays if this one cannot be loaded.
   * @param choice from 1, more for later choices: whose bytes come after those of a later one is left
   * @param name what to call it in messages
   * @returns the model; undefined if it was left
   */
  choose(
    choice: number,
    bytes: Uint8Array<ArrayBuffer>,
    name: string,
  ): Promise<Generator | undefined> {
    return this.inTurn(async () => {
      if (choice < this.taken) return undefined;
      const loaded = await this.load(new File([bytes], name));
      this.model?.dispose();
      this.model = loaded;
      this.bytes = bytes;
      this.taken = choice;
      return loaded;
    });
  }

  /** The model chosen last. @throws Error if none was */
  current(): Promise<Generator> {
    return this.inTurn(async () => {
      if (!this.bytes) throw new Error('no model was loaded');
      this.model ??= await this.load(this.bytes);
      return this.model;
    });
  }

  /** Call when everything on the device is gone. */
  forget(): void {
    this.model = undefined;
  }

  private async load(source: File | Uint8Array): Promise<Generator> {
    for (;;) {
      const gpu = await this.openDevice();
      const loaded = await loadGenerator(gpu, source);
      // Meanwhile the device may have been closed, and what is on it is of no use.
      if (gpu === (await this.openDevice())) return loaded;
    }
  }

  private inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.queue.then(work);
    this.queue = result.catch(() => undefined);
    return result;
  }
}
