/**
 * The embedding API as a page uses it, on the main thread and in a worker. Bundled by page.ts; the page
 * and the worker are the same script.
 */
import { PairTrainer } from '../../src/api/train.ts';
import { GpuError, imageDataFrom, loadGenerator, openGpu } from '../../src/index.ts';
import { TRAINER_OPTIONS, trainingPairs } from '../support/training-pairs.ts';

/** An image that passes between Node, page and worker. */
export interface PlainImage {
  readonly width: number;
  readonly height: number;
  readonly data: number[];
}

export interface EnhanceTask {
  readonly model: string;
  readonly image: PlainImage;
  readonly tile: number;
}

async function enhance({ model: address, image, tile }: EnhanceTask): Promise<number[]> {
  const gpu = await openGpu();
  const model = await loadGenerator(gpu, address);
  const { width, height } = image;
  const out = await model.enhance({ width, height, data: Float32Array.from(image.data) }, { tile });
  model.dispose();
  gpu.close();
  return [...out.data];
}

const tasks = {
  enhance,

  enhanceInWorker: (task: EnhanceTask): Promise<number[]> =>
    new Promise((resolve, reject) => {
      const worker = new Worker('/script.js', { type: 'module' });
      worker.onmessage = ({ data }) => {
        worker.terminate();
        if (Array.isArray(data)) resolve(data);
        else reject(new Error(String(data)));
      };
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(task);
    }),

  /** Grey levels through everything that a page may have: all must give the same. */
  async enhanceDrawables({ model: address, image }: EnhanceTask): Promise<number[][]> {
    const gpu = await openGpu();
    const model = await loadGenerator(gpu, address);
    const { width, height } = image;
    const imageData = imageDataFrom({ width, height, data: Float32Array.from(image.data) });
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    canvas.getContext('2d')?.putImageData(imageData, 0, 0);
    const results: number[][] = [];
    const picture = new Image();
    picture.src = canvas.toDataURL('image/png');
    await picture.decode();
    const frame = new VideoFrame(canvas, { timestamp: 0 });
    const bitmap = await createImageBitmap(canvas);
    for (const input of [imageData, canvas, bitmap, picture, frame]) {
      results.push([...(await model.enhance(input)).data]);
    }
    frame.close();
    gpu.close();
    return results;
  },

  /** With kernels chosen by measurement; each call opens a device of its own. */
  async enhanceTuned({ model: address, image }: EnhanceTask): Promise<{
    readonly data: number[];
    readonly chosen: Readonly<Record<string, string>>;
    readonly said: string[];
  }> {
    const said: string[] = [];
    const { info } = console;
    console.info = (line: string) => said.push(line);
    const gpu = await openGpu({ tune: 'on' });
    const model = await loadGenerator(gpu, address);
    const { width, height, data } = image;
    const out = await model.enhance({ width, height, data: Float32Array.from(data) });
    await model.enhance({ width, height, data: Float32Array.from(data) });
    console.info = info;
    const chosen = gpu.choices.toJSON();
    gpu.close();
    return { data: [...out.data], chosen, said };
  },

  /** On a device that the page opened for itself, with default limits, and goes on using. */
  async enhanceOnOwnDevice({ model: address, image }: EnhanceTask): Promise<{
    readonly data: number[];
    readonly after: number[];
    readonly errors: string[];
  }> {
    const adapter = await navigator.gpu.requestAdapter();
    if (!adapter) throw new Error('no adapter');
    const device = await adapter.requestDevice();
    const errors: string[] = [];
    device.onuncapturederror = ({ error }) => errors.push(error.message);
    const gpu = await openGpu({ device });
    const model = await loadGenerator(gpu, address);
    const { width, height } = image;
    const out = await model.enhance({ width, height, data: Float32Array.from(image.data) });
    gpu.close();
    const [source, target] = [0x4 | 0x8, 0x1 | 0x8].map((usage) =>
      device.createBuffer({ size: 8, usage }),
    );
    device.queue.writeBuffer(source, 0, Float32Array.of(3, 4));
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(source, 0, target, 0, 8);
    device.queue.submit([encoder.finish()]);
    await target.mapAsync(1);
    const after = [...new Float32Array(target.getMappedRange())];
    device.destroy();
    return { data: [...out.data], after, errors };
  },

  /** Loses the device, hears of it, opens another and goes on. */
  async surviveLoss(
    task: EnhanceTask,
  ): Promise<{ reason: string; failure: string; after: number[] }> {
    const gpu = await openGpu();
    const model = await loadGenerator(gpu, task.model);
    const heard = new Promise<string>((resolve) => gpu.onLost(({ reason }) => resolve(reason)));
    gpu.device.destroy();
    const reason = await heard;
    const { width, height, data } = task.image;
    let failure = 'none';
    try {
      await model.enhance({ width, height, data: Float32Array.from(data) });
    } catch (error) {
      failure = error instanceof GpuError ? error.reason : String(error);
    }
    gpu.close();
    return { reason, failure, after: await enhance(task) };
  },

  async train(steps: number): Promise<Record<string, number>[]> {
    const gpu = await openGpu();
    const trainer = new PairTrainer(gpu, trainingPairs(), TRAINER_OPTIONS);
    const losses: Record<string, number>[] = [];
    for (let step = 0; step < steps; step++) losses.push({ ...(await trainer.trainStep()).losses });
    trainer.dispose();
    gpu.close();
    return losses;
  },

  async openFailure(): Promise<{ reason: string; message: string }> {
    try {
      (await openGpu()).close();
    } catch (error) {
      if (error instanceof GpuError) return { reason: error.reason, message: error.message };
      throw error;
    }
    return { reason: 'none', message: 'a device was opened' };
  },
};

export type Tasks = typeof tasks;

if (typeof document === 'undefined') {
  globalThis.onmessage = async ({ data }: MessageEvent<EnhanceTask>) => {
    try {
      globalThis.postMessage(await enhance(data));
    } catch (error) {
      globalThis.postMessage(String(error));
    }
  };
} else {
  Object.assign(globalThis, { tasks });
}
