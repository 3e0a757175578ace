/**
 * Simulated ultrasound pairs, browser-safe: one phantom seen by a high-end machine and, a little
 * moved, by a hand-held probe; and the hand-held view of a real high-quality picture.
 */
import { RandomStream } from '../../autograd/philox.ts';
import { UsageError } from '../../errors.ts';
import type { GrayImage } from '../image.ts';
import type { ImagePair, PairSource } from '../pairs.ts';
import { type Device, HAND_HELD, HIGH_END } from './device.ts';
import { scan, scatter } from './imaging.ts';
import { type Motion, movePhantom, moveScatterers, randomMotion } from './motion.ts';
import { emptyPhantom } from './phantom.ts';
import { makePhantom, TISSUES, type Tissue } from './tissues.ts';

/** Smallest and largest side of a simulated picture, pixels. */
export const SIMULATED_SIZES = { minimum: 16, maximum: 2048 } as const;

/** A simulated pair; `organ` is its tissue. */
export interface SimulatedPair extends ImagePair {
  readonly organ: Tissue;
}

export interface SimulationOptions {
  /** Side of the square pictures, pixels; default 256. Structure scales with it, speckle does not. */
  readonly size?: number;
  /** Default: the tissues take turns by index. */
  readonly tissue?: Tissue;
  /** Give the hand-held scan scatterers of its own (default: the same, seen at its frequency). */
  readonly freshSpeckle?: boolean;
  readonly highEnd?: Device;
  readonly handHeld?: Device;
}

function requireSize(size: number): void {
  const { minimum, maximum } = SIMULATED_SIZES;
  if (!Number.isInteger(size) || size < minimum || size > maximum) {
    throw new UsageError(
      `size: expected a whole number from ${minimum} to ${maximum}, found ${size}`,
    );
  }
}

/** One examination: the settings of a device vary from picture to picture. */
function varyDevice(device: Device, random: RandomStream): Device {
  const vary = (spread: number): number => spread * (2 * random.uniform() - 1);
  return {
    ...device,
    focus: device.focus + vary(0.15),
    lateralWidth: device.lateralWidth * (1 + vary(0.12)),
    noise: device.noise + vary(3),
    white: device.white + vary(3),
  };
}

function handHeldMotion(size: number, random: RandomStream): Motion {
  const pixels = Math.min(3, size / 48);
  return randomMotion(size, pixels, pixels, random);
}

/**
 * One pair, a pure function of its arguments.
 *
 * @param seed whole number in [0, 2^53)
 * @param index number of the pair, whole, from 0
 * @returns two `size` x `size` pictures of the same tissue, low and high quality
 * @throws UsageError when the size is out of range
 */
export function simulatePair(
  seed: number,
  index: number,
  options: SimulationOptions = {},
): SimulatedPair {
  const { size = 256, freshSpeckle = false } = options;
  requireSize(size);
  const organ = options.tissue ?? (TISSUES[index % TISSUES.length] as Tissue);
  const stream = (purpose: string): RandomStream =>
    new RandomStream(seed, `simulate:${purpose}:${index}`);
  const phantom = makePhantom(organ, size, stream('phantom'));
  const scatterers = scatter(size, stream('scatterers'));
  const settings = stream('settings');
  const highEnd = varyDevice(options.highEnd ?? HIGH_END, settings);
  const handHeld = varyDevice(options.handHeld ?? HAND_HELD, settings);
  const high = scan(phantom, scatterers, highEnd, stream('noise-high'));
  const motion = handHeldMotion(size, stream('motion'));
  const seen = freshSpeckle
    ? scatter(size, stream('fresh-scatterers'))
    : moveScatterers(scatterers, motion);
  const low = scan(movePhantom(phantom, motion), seen, handHeld, stream('noise-low'));
  return { low, high, organ };
}

export interface DegradeOptions {
  /** Whole number in [0, 2^53); default 0. */
  readonly seed?: number;
  /** Number of the picture, so that each of a series differs; default 0. */
  readonly index?: number;
  /** Dynamic range the grey levels are taken to show, dB; default that of {@link HIGH_END}. */
  readonly dynamicRange?: number;
  readonly handHeld?: Device;
}

/** Gain that an operator would set: the mean grey of the picture comes to this level, dB. */
const MEAN_LEVEL = -13;

/**
 * A picture already holds speckle, and fresh speckle over all of it would hide what it shows. A part
 * is imaged as smooth reflectors instead, low because echoes that agree in phase add up in the beam.
 */
const DIFFUSE_SHARE = -2;
const COHERENT_SHARE = -17;

/**
 * The hand-held view of a high-quality picture: grey is read as log-compressed echogenicity,
 * decompressed, and imaged anew over fresh scatterers by the hand-held model, a little moved. The
 * overall gain is set by the picture's mean.
 *
 * @param image square; crop or resize others first (`fit.ts`)
 * @returns a picture of the same size
 * @throws UsageError when the image is not square or its side outside {@link SIMULATED_SIZES}
 */
export function degrade(image: GrayImage, options: DegradeOptions = {}): GrayImage {
  const { seed = 0, index = 0, dynamicRange = HIGH_END.dynamicRange } = options;
  if (image.width !== image.height) {
    throw new UsageError(`degrade: expected a square image, found ${image.width}x${image.height}`);
  }
  const size = image.width;
  requireSize(size);
  const stream = (purpose: string): RandomStream =>
    new RandomStream(seed, `degrade:${purpose}:${index}`);
  const phantom = emptyPhantom(size);
  const mean = image.data.reduce((sum, grey) => sum + grey, 0) / image.data.length;
  for (let i = 0; i < image.data.length; i++) {
    const level = MEAN_LEVEL + dynamicRange * ((image.data[i] as number) - mean);
    phantom.echogenicity[i] = level + DIFFUSE_SHARE;
    phantom.specular[i] = 10 ** ((level + COHERENT_SHARE) / 20);
  }
  const motion = handHeldMotion(size, stream('motion'));
  const handHeld = varyDevice(options.handHeld ?? HAND_HELD, stream('settings'));
  const scatterers = scatter(size, stream('scatterers'));
  return scan(movePhantom(phantom, motion), scatterers, handHeld, stream('noise'));
}

/** `count` simulated pairs as a source for the loader, made when asked for. */
export function simulatedSource(
  seed: number,
  count: number,
  options: SimulationOptions = {},
): PairSource {
  return {
    pairs: Array.from({ length: count }, (_, index) => ({
      organ: options.tissue ?? (TISSUES[index % TISSUES.length] as Tissue),
      name: String(index + 1).padStart(4, '0'),
    })),
    load: async (index) => simulatePair(seed, index, options),
  };
}
