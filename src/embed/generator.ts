/** A trained generator in a page or program: load it, enhance with it. */
import type { ElementType } from '../../kernels/element-types.ts';
import type { GrayImage } from '../data/image.ts';
import { CheckpointError, DataError, UsageError } from '../errors.ts';
import { DeferredDisposal } from '../gpu/deferred-disposal.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Enhancer } from '../methods/method.ts';
import { parseSafetensors } from '../nn/safetensors.ts';
import { architectureOf, requireArchitecture } from '../run/architecture-metadata.ts';
import type { Architecture } from '../run/checkpoint-state.ts';
import { type EnhanceOptions, enhancedSize, enhanceImage } from '../run/enhance-image.ts';
import { enhancerExtras, enhancerFrom } from '../run/enhancer.ts';
import { grayFrom, type ImageInput } from './image-input.ts';

/** Where a generator's bytes are: an address to fetch, a file, or the bytes themselves. */
export type GeneratorSource = string | URL | Blob | ArrayBuffer | Uint8Array;

export interface LoadOptions {
  /**
   * What the generator is built from, where its file does not say: the `architecture` of the
   * checkpoint's `state.json`.
   */
  readonly architecture?: Architecture;
  /** Address of the checkpoint's `state.json`, to read the architecture from. */
  readonly state?: string | URL;
  /**
   * How activations are stored; default `f32`. `f16` takes half the memory, on devices with `shader-f16`
   * (`gpu.profile.f16`).
   */
  readonly precision?: ElementType;
  /** Stops fetching. */
  readonly signal?: AbortSignal;
}

/** A trained generator on a device. */
export class Generator {
  readonly gpu: Gpu;
  readonly architecture: Architecture;
  /** How activations are stored. */
  readonly precision: ElementType;
  private readonly enhancer: Enhancer;
  private readonly tuned = new Set<string>();
  /** Ends when the kernels of all sizes so far are chosen. */
  private tuning: Promise<void> = Promise.resolve();
  private readonly disposal: DeferredDisposal;

  constructor(
    gpu: Gpu,
    architecture: Architecture,
    enhancer: Enhancer,
    precision: ElementType = 'f32',
  ) {
    this.gpu = gpu;
    this.architecture = architecture;
    this.enhancer = enhancer;
    this.precision = precision;
    this.disposal = new DeferredDisposal('generator', () => enhancer.dispose());
  }

  /**
   * Lifts one image of any size.
   * @returns a grey image of the same size in [0,1]; `imageDataFrom` makes an `ImageData` of it
   * @throws DataError for an image that cannot be read; UsageError after `dispose`; GpuError `lost` after a
   *   device loss; what `signal` was aborted with
   */
  enhance(image: ImageInput, options: EnhanceOptions = {}): Promise<GrayImage> {
    return this.disposal.use(async () => {
      requireWhole('tile', options.tile);
      requireWhole('overlap', options.overlap);
      const gray = grayFrom(image);
      await this.tune(gray, options.tile);
      return enhanceImage(this.gpu, this.enhancer, gray, options);
    });
  }

  /** Before the first image of a size, if the device was opened with `tune`. */
  private tune(image: GrayImage, tile: number | undefined): Promise<void> {
    const { width, height } = enhancedSize(image, tile);
    const name = `${width}x${height}`;
    if (this.gpu.tuning.mode === 'off' || this.tuned.has(name)) return this.tuning;
    this.tuned.add(name);
    const size = { batch: 1, width, height };
    const log = (line: string): void => console.info(`sonolift: ${line}`);
    this.tuning = this.tuning.then(async () => {
      const { tuneEnhancer } = await enhancerExtras();
      await tuneEnhancer(this.gpu, this, [size], log);
    });
    return this.tuning;
  }

  /** Gives the device's memory back, once the images under way are done. */
  dispose(): void {
    this.disposal.dispose();
  }
}

function requireWhole(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isInteger(value) && value >= 0)) return;
  throw new UsageError(`${name}: expected a whole number of at least 0, found ${value}`);
}

/**
 * Loads the generator of a checkpoint (`G_H.safetensors`) onto a device.
 * @throws DataError if it cannot be fetched or is no safetensors file; CheckpointError if its
 *   architecture is not known or its tensors do not fit it; GpuError `unsupported` if the device lacks f16
 */
export async function loadGenerator(
  gpu: Gpu,
  source: GeneratorSource,
  options: LoadOptions = {},
): Promise<Generator> {
  const name = nameOf(source);
  const bytes = await bytesOf(source, options.signal);
  const { tensors, metadata } = parseSafetensors(bytes, name);
  const architecture =
    options.architecture ?? (await stateArchitecture(options)) ?? architectureOf(metadata, name);
  if (!architecture) {
    throw new CheckpointError(
      `${name}: its metadata does not say what it is: give { architecture }, or the address of the ` +
        "checkpoint's state.json as { state }",
    );
  }
  const { precision } = options;
  const enhancer = await enhancerFrom(gpu, architecture, tensors, name, precision);
  return new Generator(gpu, architecture, enhancer, precision);
}

async function stateArchitecture(options: LoadOptions): Promise<Architecture | undefined> {
  if (options.state === undefined) return undefined;
  const address = String(options.state);
  const text = new TextDecoder().decode(await fetchBytes(address, options.signal));
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(`${address}: not valid JSON`, { cause });
  }
  const found = typeof json === 'object' && json && 'architecture' in json && json.architecture;
  return requireArchitecture(found, `${address}: field architecture`);
}

/** What to call the file in messages. */
function nameOf(source: GeneratorSource): string {
  if (isAddress(source)) return String(source);
  return source instanceof File ? source.name : 'generator';
}

function isAddress(source: GeneratorSource): source is string | URL {
  return typeof source === 'string' || source instanceof URL;
}

async function bytesOf(
  source: GeneratorSource,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (isAddress(source)) return fetchBytes(String(source), signal);
  if (source instanceof Uint8Array) return source;
  return new Uint8Array(source instanceof Blob ? await source.arrayBuffer() : source);
}

async function fetchBytes(address: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  let cause: unknown;
  try {
    const response = await fetch(address, { signal });
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
    cause = `HTTP ${response.status}`;
  } catch (error) {
    signal?.throwIfAborted();
    cause = error;
  }
  throw new DataError(`${address}: cannot be fetched: ${String(cause)}`, { cause });
}
