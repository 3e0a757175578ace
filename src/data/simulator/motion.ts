/** The small movement of tissue and probe between the two pictures of a pair. */
import type { RandomStream } from '../../autograd/philox.ts';
import type { Scatterers } from './imaging.ts';
import { GradientNoise } from './noise.ts';
import type { Phantom } from './phantom.ts';

/** Where each pixel's tissue came from: sample at (x + dx, y + dy), pixels. */
export interface Motion {
  readonly size: number;
  readonly dx: Float32Array;
  readonly dy: Float32Array;
}

/**
 * A random smooth non-rigid motion: a shift of the whole view plus a bend with features of about
 * half the view.
 * @param shift largest shift along each axis, pixels
 * @param bend amplitude of the bend, pixels
 */
export function randomMotion(
  size: number,
  shift: number,
  bend: number,
  random: RandomStream,
): Motion {
  const shiftX = shift * (2 * random.uniform() - 1);
  const shiftY = shift * (2 * random.uniform() - 1);
  const noise = new GradientNoise(random);
  const dx = new Float32Array(size * size);
  const dy = new Float32Array(size * size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const u = (2 * x) / size;
      const v = (2 * y) / size;
      dx[y * size + x] = shiftX + bend * noise.at(u + 0.37, v + 0.61);
      dy[y * size + x] = shiftY + bend * noise.at(u + 90.2, v + 31.9);
    }
  }
  return { size, dx, dy };
}

function clamp(value: number, size: number): number {
  return Math.min(size - 1, Math.max(0, value));
}

/** A map moved by bilinear interpolation, the border continued. */
export function moveMap(map: Float32Array, motion: Motion): Float32Array {
  const { size, dx, dy } = motion;
  const moved = new Float32Array(map.length);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const index = y * size + x;
      const sx = clamp(x + (dx[index] as number), size);
      const sy = clamp(y + (dy[index] as number), size);
      const x0 = Math.floor(sx);
      const y0 = Math.floor(sy);
      const x1 = Math.min(size - 1, x0 + 1);
      const y1 = Math.min(size - 1, y0 + 1);
      const top =
        (map[y0 * size + x0] as number) * (1 - sx + x0) +
        (map[y0 * size + x1] as number) * (sx - x0);
      const bottom =
        (map[y1 * size + x0] as number) * (1 - sx + x0) +
        (map[y1 * size + x1] as number) * (sx - x0);
      moved[index] = top * (1 - sy + y0) + bottom * (sy - y0);
    }
  }
  return moved;
}

/** A phantom moved as a whole. */
export function movePhantom(phantom: Phantom, motion: Motion): Phantom {
  return {
    size: phantom.size,
    echogenicity: moveMap(phantom.echogenicity, motion),
    specular: moveMap(phantom.specular, motion),
    attenuation: moveMap(phantom.attenuation, motion),
  };
}

/**
 * Scatterers carried along with the tissue, whole pixels at a time: interpolating them would thin
 * them out.
 */
export function moveScatterers(scatterers: Scatterers, motion: Motion): Scatterers {
  const { size, dx, dy } = motion;
  const each = scatterers.amplitude.length / (size * size);
  const amplitude = new Float32Array(scatterers.amplitude.length);
  const offset = new Float32Array(scatterers.offset.length);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const index = y * size + x;
      const sx = Math.round(clamp(x + (dx[index] as number), size));
      const sy = Math.round(clamp(y + (dy[index] as number), size));
      const source = each * (sy * size + sx);
      amplitude.set(scatterers.amplitude.subarray(source, source + each), each * index);
      offset.set(scatterers.offset.subarray(source, source + each), each * index);
    }
  }
  return { amplitude, offset };
}
