/**
 * Pulse-echo imaging of a phantom with a scanner, in complex baseband (IQ):
 *
 * scatterers and reflectors x attenuation → axial pulse → lateral beam (width by depth) → + noise
 * → envelope → intensity mean over looks → log compression → grey.
 *
 * Speckle is not drawn but arises: each pixel holds point scatterers at sub-pixel depths, whose
 * echoes interfere under the device's own carrier, so two devices see the same tissue with
 * different, only partly related speckle.
 */
import type { RandomStream } from '../../autograd/philox.ts';
import type { GrayImage } from '../image.ts';
import { beamWidth, type Device } from './device.ts';
import type { Phantom } from './phantom.ts';

const SCATTERERS_PER_PIXEL = 3;

/** Point scatterers of a view, {@link SCATTERERS_PER_PIXEL} a pixel. */
export interface Scatterers {
  /** Amplitudes, Gaussian, unit variance a pixel in total. */
  readonly amplitude: Float32Array;
  /** Depth within the pixel in [0, 1). */
  readonly offset: Float32Array;
}

/** A fresh arrangement of scatterers for `size` x `size` pixels. */
export function scatter(size: number, random: RandomStream): Scatterers {
  const count = size * size * SCATTERERS_PER_PIXEL;
  const amplitude = new Float32Array(count);
  const offset = new Float32Array(count);
  const scale = 1 / Math.sqrt(SCATTERERS_PER_PIXEL);
  for (let i = 0; i < count; i++) {
    amplitude[i] = scale * random.normal();
    offset[i] = random.uniform();
  }
  return { amplitude, offset };
}

interface Kernel {
  readonly radius: number;
  readonly weights: Float64Array;
}

/** Gaussian plus a pedestal four times as wide, of unit energy so that speckle keeps its level. */
function beamKernel(sigma: number, sideLobes: number): Kernel {
  const radius = Math.ceil(sideLobes > 0 ? Math.max(3 * sigma, 8 * sigma) : 3 * sigma);
  const weights = new Float64Array(2 * radius + 1);
  let energy = 0;
  for (let k = -radius; k <= radius; k++) {
    const t = k / sigma;
    const weight = Math.exp(-0.5 * t * t) + sideLobes * Math.exp(-0.5 * (t / 4) ** 2);
    weights[k + radius] = weight;
    energy += weight * weight;
  }
  for (let k = 0; k < weights.length; k++) weights[k] = (weights[k] as number) / Math.sqrt(energy);
  return { radius, weights };
}

/** Index folded back at both ends of a line (edge repeated). */
function mirror(index: number, length: number): number {
  let folded = index;
  while (folded < 0 || folded >= length)
    folded = folded < 0 ? -1 - folded : 2 * length - 1 - folded;
  return folded;
}

/** Convolves each row with its own kernel. */
function convolveRows(field: Float32Array, size: number, kernels: readonly Kernel[]): Float32Array {
  const result = new Float32Array(field.length);
  for (let y = 0; y < size; y++) {
    const { radius, weights } = kernels[y] as Kernel;
    const line = new Float64Array(size + 2 * radius);
    for (let k = 0; k < line.length; k++) {
      line[k] = field[y * size + mirror(k - radius, size)] as number;
    }
    for (let x = 0; x < size; x++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++)
        sum += (weights[k] as number) * (line[x + k] as number);
      result[y * size + x] = sum;
    }
  }
  return result;
}

/** Convolves each column with one kernel. */
function convolveColumns(field: Float32Array, size: number, kernel: Kernel): Float32Array {
  const result = new Float32Array(field.length);
  for (let k = 0; k < kernel.weights.length; k++) {
    const weight = kernel.weights[k] as number;
    for (let y = 0; y < size; y++) {
      const source = mirror(y + k - kernel.radius, size) * size;
      for (let x = 0; x < size; x++) {
        const index = y * size + x;
        result[index] = (result[index] as number) + weight * (field[source + x] as number);
      }
    }
  }
  return result;
}

/**
 * Gain of the echo from each pixel, dB: minus the attenuation on the way there and back, plus the
 * time gain compensation for reference tissue.
 */
function echoGain(phantom: Phantom, device: Device): Float32Array {
  const { size } = phantom;
  const passed = new Float32Array(size * size);
  for (let x = 0; x < size; x++) {
    let sum = 0;
    for (let y = 0; y < size; y++) {
      const step = (phantom.attenuation[y * size + x] as number) / size;
      passed[y * size + x] = sum + 0.5 * step;
      sum += step;
    }
  }
  // A beam averages the absorbers across its width.
  const kernels = Array.from({ length: size }, (_, y) => {
    const kernel = beamKernel(beamWidth(device, (y + 0.5) / size), 0);
    const sum = kernel.weights.reduce((a, b) => a + b, 0);
    return { radius: kernel.radius, weights: kernel.weights.map((weight) => weight / sum) };
  });
  const gain = convolveRows(passed, size, kernels);
  for (let y = 0; y < size; y++) {
    const compensated = device.compensation * ((y + 0.5) / size);
    for (let x = 0; x < size; x++) {
      const index = y * size + x;
      gain[index] = device.attenuation * (compensated - (gain[index] as number));
    }
  }
  return gain;
}

/** Adds the intensity |IQ|^2 of one look to `intensity`. */
function addLook(
  intensity: Float32Array,
  phantom: Phantom,
  strength: { diffuse: Float32Array; specular: Float32Array },
  scatterers: Scatterers,
  device: Device,
  carrier: number,
  noise: RandomStream,
): void {
  const { size } = phantom;
  const real = new Float32Array(size * size);
  const imaginary = new Float32Array(size * size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const index = y * size + x;
      let re = 0;
      let im = 0;
      for (let k = 0; k < SCATTERERS_PER_PIXEL; k++) {
        const at = index * SCATTERERS_PER_PIXEL + k;
        const phase = -2 * Math.PI * carrier * (y + (scatterers.offset[at] as number));
        re += (scatterers.amplitude[at] as number) * Math.cos(phase);
        im += (scatterers.amplitude[at] as number) * Math.sin(phase);
      }
      const diffuse = strength.diffuse[index] as number;
      real[index] = diffuse * re + (strength.specular[index] as number);
      imaginary[index] = diffuse * im;
    }
  }
  const pulse = beamKernel(device.axialWidth, 0);
  const beams = Array.from({ length: size }, (_, y) =>
    beamKernel(beamWidth(device, (y + 0.5) / size), device.sideLobes),
  );
  const re = convolveRows(convolveColumns(real, size, pulse), size, beams);
  const im = convolveRows(convolveColumns(imaginary, size, pulse), size, beams);
  for (let y = 0; y < size; y++) {
    const gain = device.compensation * device.attenuation * ((y + 0.5) / size);
    const level = Math.SQRT1_2 * 10 ** ((device.noise + gain) / 20);
    for (let x = 0; x < size; x++) {
      const index = y * size + x;
      const i = (re[index] as number) + level * noise.normal();
      const q = (im[index] as number) + level * noise.normal();
      intensity[index] = (intensity[index] as number) + i * i + q * q;
    }
  }
}

/**
 * The B-mode picture of a phantom.
 *
 * @param scatterers arrangement for the phantom's size, see {@link scatter}
 * @param noise stream of the electronic noise
 * @returns grey in [0, 1]: (level - white + dynamicRange) / dynamicRange, clamped
 */
export function scan(
  phantom: Phantom,
  scatterers: Scatterers,
  device: Device,
  noise: RandomStream,
): GrayImage {
  const { size } = phantom;
  const gain = echoGain(phantom, device);
  const diffuse = new Float32Array(size * size);
  const specular = new Float32Array(size * size);
  for (let i = 0; i < diffuse.length; i++) {
    const echo = phantom.echogenicity[i] as number;
    diffuse[i] = 10 ** ((echo + (gain[i] as number)) / 20);
    specular[i] = (phantom.specular[i] as number) * 10 ** ((gain[i] as number) / 20);
  }
  const intensity = new Float32Array(size * size);
  for (let look = 0; look < device.looks; look++) {
    const shift = 1 + device.lookSpacing * (look - (device.looks - 1) / 2);
    const strength = { diffuse, specular };
    addLook(intensity, phantom, strength, scatterers, device, device.carrier * shift, noise);
  }
  const data = new Float32Array(size * size);
  for (let i = 0; i < data.length; i++) {
    const level = 10 * Math.log10((intensity[i] as number) / device.looks + 1e-12);
    const grey = (level - device.white + device.dynamicRange) / device.dynamicRange;
    data[i] = Math.min(1, Math.max(0, grey));
  }
  return { width: size, height: size, data };
}
