/** The enhance tab. */
import { proxy } from 'comlink';
import { encodePng, type GrayImage } from 'sonolift';
import { TISSUES } from 'sonolift/train';
import { download } from '../ui/download.ts';
import { acceptDrops } from '../ui/drop-zone.ts';
import { block, button, element, input, select } from '../ui/elements.ts';
import { messagesOf } from '../ui/messages.ts';
import { enhanceWorker } from '../worker/client.ts';
import type { Enhanced } from '../worker/enhance.worker.ts';
import { LiveView } from './live.ts';
import { fetchBundledModel } from './model-source.ts';
import { showScores } from './scores.ts';
import { ResultView } from './view.ts';

/** Side of simulated scans. */
const SAMPLE_SIDE = 256;
const SAMPLE_SEED = 20;
/** Images with a longer side go in tiles, unless told otherwise. */
const WHOLE_AT_MOST = 1024;
const AUTOMATIC_TILE = 512;
/** What is told of a generator's architecture, by its fields. */
const SHAPES: Readonly<Record<string, (value: string) => string>> = {
  method: (name) => `method ${name}`,
  ngf: (width) => `width ${width}`,
  levels: (count) => `${count} levels`,
  blocks: (count) => `${count} residual blocks`,
};

export class EnhancePanel {
  private readonly worker = enhanceWorker();
  private readonly messages = messagesOf(block('enhance-status'), block('enhance-error'));
  private readonly view = new ResultView();
  private readonly live = new LiveView(() => this.hasModel);
  private readonly progress = element('enhance-progress', HTMLProgressElement);
  private hasModel = false;
  /** Models chosen so far. */
  private choices = 0;
  private isRunning = false;
  private name = 'image';
  private image: GrayImage | undefined;
  private enhanced: GrayImage | undefined;
  private reference: GrayImage | undefined;

  constructor() {
    this.offerSamples();
    this.listen();
  }

  /** Loads the model that comes with the page; says loudly if there is none. */
  async loadBundledModel(): Promise<void> {
    const choice = ++this.choices;
    try {
      const bytes = await fetchBundledModel();
      if (bytes) {
        await this.useModel(bytes, 'the bundled model', choice);
        return;
      }
      if (this.hasModel) return;
      this.sayModel(
        'No model comes with this copy of the page: choose a G_H.safetensors below, or train one under Train.',
        true,
      );
    } catch (error) {
      if (this.hasModel) return;
      this.sayModel('The bundled model could not be loaded: choose a G_H.safetensors below.', true);
      this.messages.fail(error);
    }
  }

  /** There is no device to load the model onto. */
  sayNoDevice(): void {
    this.sayModel('No model yet: there is no device to load it onto.', true);
  }

  /**
   * Takes another model; the present one stays if that fails.
   * @param choice counted when it was chosen, if its bytes took time to come: a later choice may have been faster
   */
  async useModel(bytes: Uint8Array, what: string, choice = ++this.choices): Promise<void> {
    try {
      const architecture = await this.worker.loadModel(choice, new Uint8Array(bytes), what);
      if (!architecture) return;
      const shape = Object.entries(SHAPES)
        .filter(([name]) => architecture[name] !== undefined)
        .map(([name, tell]) => tell(String(architecture[name])));
      this.hasModel = true;
      const size = (bytes.length / 2 ** 20).toFixed(2);
      this.sayModel(`Model: ${what} (${shape.join(', ')}, ${size} MiB)`, false);
      this.messages.say('');
    } catch (error) {
      this.messages.fail(error);
    }
    this.update();
  }

  private listen(): void {
    for (const id of ['enhance-file', 'reference-file', 'model-file']) {
      // Choosing the same file once more is a choice too.
      input(id).addEventListener('click', () => {
        input(id).value = '';
      });
    }
    const file = input('enhance-file');
    file.addEventListener('change', () => this.openFile(file.files?.[0]));
    for (const zone of ['enhance-drop', 'stage']) {
      acceptDrops(block(zone), ([first]) => this.openFile(first?.content, first?.path));
    }
    document.addEventListener('paste', ({ clipboardData }) => {
      if (!block('panel-enhance').hidden) this.openFile(clipboardData?.files[0]);
    });
    const reference = input('reference-file');
    reference.addEventListener('change', () => this.openReference(reference.files?.[0]));
    const model = input('model-file');
    model.addEventListener('change', async () => {
      const [chosen] = model.files ?? [];
      if (!chosen) return;
      const choice = ++this.choices;
      await this.useModel(new Uint8Array(await chosen.arrayBuffer()), chosen.name, choice);
    });
    input('enhance-memory').addEventListener('change', ({ target }) => {
      if (target instanceof HTMLInputElement) void this.worker.setMemoryLimit(Number(target.value));
    });
    button('enhance-run').addEventListener('click', () => this.run());
    button('enhance-cancel').addEventListener('click', () => this.worker.cancel());
    button('enhance-download').addEventListener('click', () => {
      if (!this.enhanced) return;
      download(`${this.name}-enhanced.png`, encodePng(this.enhanced), 'image/png');
    });
  }

  private offerSamples(): void {
    select('sample').replaceChildren(
      ...TISSUES.map((tissue, index) => new Option(tissue, String(index))),
    );
    button('sample-open').addEventListener('click', async () => {
      const { value, selectedOptions } = select('sample');
      try {
        this.messages.say('Simulating …');
        const pair = await this.worker.simulate(SAMPLE_SEED, Number(value), SAMPLE_SIDE);
        this.reference = pair.high;
        await this.take(pair.low, `simulated-${selectedOptions[0].text}`);
      } catch (error) {
        this.messages.fail(error);
      }
    });
  }

  private async openFile(
    file: Blob | undefined,
    name = file instanceof File ? file.name : 'pasted image',
  ) {
    if (!file) return;
    try {
      this.messages.say(`Reading ${name} …`);
      const image = await this.worker.readImage(file, name);
      this.reference = undefined;
      input('reference-file').value = '';
      await this.take(image, name.replace(/\.\w+$/, ''));
    } catch (error) {
      this.messages.fail(error);
    }
  }

  private async openReference(file: File | undefined): Promise<void> {
    if (!file) return;
    try {
      const reference = await this.worker.readImage(file, file.name);
      const { image } = this;
      if (image && (image.width !== reference.width || image.height !== reference.height)) {
        throw new Error(
          `${file.name}: expected ${image.width}x${image.height} as the image, found ${reference.width}x${reference.height}`,
        );
      }
      this.reference = reference;
      await this.show();
    } catch (error) {
      input('reference-file').value = '';
      this.messages.fail(error);
    }
  }

  /** Shows an image, and enhances it if there is a model. */
  private async take(image: GrayImage, name: string): Promise<void> {
    this.image = image;
    this.enhanced = undefined;
    this.name = name;
    this.messages.say(`${name}: ${image.width}x${image.height} pixels`);
    await this.show();
    if (this.hasModel) await this.run();
    else this.messages.fail(new Error('There is no model to enhance it with; see above.'));
  }

  private async run(): Promise<void> {
    const { image, name } = this;
    if (!image || this.isRunning) return;
    this.isRunning = true;
    this.update();
    this.messages.say(`Enhancing ${name} (${image.width}x${image.height}) …`);
    try {
      const onProgress = (done: number, total: number): void => {
        this.progress.max = total;
        this.progress.value = done;
        this.progress.hidden = total === 1;
      };
      const result = await this.worker.enhance(image, this.tileFor(image), proxy(onProgress));
      // Another image may have been chosen meanwhile.
      if (this.image === image) {
        this.enhanced = result.image;
        this.sayDone(result);
        await this.show();
      }
    } catch (error) {
      this.messages.fail(error);
    } finally {
      this.progress.hidden = true;
      this.isRunning = false;
      this.update();
    }
    if (this.image !== image) await this.run();
  }

  private tileFor({ width, height }: GrayImage): number {
    const { value } = select('tile');
    if (value !== 'auto') return Number(value);
    return Math.max(width, height) > WHOLE_AT_MOST ? AUTOMATIC_TILE : 0;
  }

  private sayDone({ image, milliseconds, adapter }: Enhanced): void {
    const tile = this.tileFor(image);
    const tiles = tile && Math.max(image.width, image.height) > tile ? `, tiles of ${tile}` : '';
    this.messages.say(
      `Enhanced ${this.name} (${image.width}x${image.height}${tiles}) in ${milliseconds.toFixed(0)} ms on ${adapter}`,
    );
  }

  private async show(): Promise<void> {
    const { image, enhanced, reference } = this;
    this.view.show({ image, enhanced, reference });
    this.update();
    if (!image || !reference) {
      showScores(undefined, undefined);
      return;
    }
    const before = await this.worker.scoreImages(image, reference);
    const after = enhanced && (await this.worker.scoreImages(enhanced, reference));
    if (this.image === image) showScores(before, after);
  }

  private sayModel(text: string, isWarning: boolean): void {
    const line = block('model-state');
    line.textContent = text;
    line.classList.toggle('warning', isWarning);
  }

  private update(): void {
    button('enhance-run').disabled = !this.image || !this.hasModel || this.isRunning;
    button('enhance-cancel').disabled = !this.isRunning;
    button('enhance-download').disabled = !this.enhanced;
    this.live.update();
  }
}
