/**
 * Tissue as a scanner sees it: how strongly each point scatters, mirrors and absorbs. Positions are
 * fractions of the view, `u` across in [0, 1] and `v` deep in [0, 1], so that a phantom can be made
 * at any size.
 */
import { type GradientNoise, smoothStep } from './noise.ts';

/** Maps of `size` x `size`, row after row from the skin down. */
export interface Phantom {
  readonly size: number;
  /** Strength of the diffuse scatterers, dB relative to reference tissue. */
  readonly echogenicity: Float32Array;
  /** Amplitude of smooth reflectors, linear, 1 = RMS echo of reference tissue. */
  readonly specular: Float32Array;
  /** Attenuation relative to reference tissue: 1 reference, 0 fluid, large bone. */
  readonly attenuation: Float32Array;
}

/** Reference tissue everywhere. */
export function emptyPhantom(size: number): Phantom {
  return {
    size,
    echogenicity: new Float32Array(size * size),
    specular: new Float32Array(size * size),
    attenuation: new Float32Array(size * size).fill(1),
  };
}

/** Calls `visit` for the centre of every pixel. */
export function visitPixels(
  phantom: Phantom,
  visit: (u: number, v: number, index: number) => void,
): void {
  const { size } = phantom;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) visit((x + 0.5) / size, (y + 0.5) / size, y * size + x);
  }
}

/** A depth for each lateral position. */
export type DepthCurve = (u: number) => number;

/** A gently waving interface at a mean depth, tilted by `slope`. */
export function wavyCurve(
  noise: GradientNoise,
  depth: number,
  slope: number,
  wave: number,
): DepthCurve {
  const row = 37.7 * depth + 0.31;
  return (u) => depth + slope * (u - 0.5) + wave * noise.at(2.2 * u + 40 * depth, row);
}

export interface Reflector {
  readonly depth: DepthCurve;
  /** Half thickness, fraction of the view. */
  readonly thickness: number;
  /** Echo on the line, dB relative to reference tissue. */
  readonly level: number;
  /** How far the echo varies along the line, 0 … 1. */
  readonly variation?: number;
  /** Lateral extent; the whole width by default. */
  readonly from?: number;
  readonly to?: number;
}

/**
 * Adds an interface that mirrors the beam: a thin, slightly rough line, part coherent and part
 * diffuse, brightest where it lies across the beam (the echo falls as cos^6 of its tilt).
 */
export function addReflector(phantom: Phantom, noise: GradientNoise, line: Reflector): void {
  const { size } = phantom;
  const { from = -1, to = 2, variation = 0.5 } = line;
  const amplitude = 10 ** (line.level / 20);
  const row = 23.7 * line.level + 11 * line.thickness;
  for (let x = 0; x < size; x++) {
    const u = (x + 0.5) / size;
    const ends =
      smoothStep(from - 0.02, from + 0.02, u) * (1 - smoothStep(to - 0.02, to + 0.02, u));
    if (ends === 0) continue;
    const swell = noise.fractal(7 * u + 3, row);
    // A line thinner than half a pixel would flicker with its sub-pixel position.
    const sigma = Math.max(line.thickness * (1 + 0.6 * swell), 0.45 / size);
    const centre = line.depth(u) + 0.6 * line.thickness * noise.fractal(11 * u, row + 7);
    const tilt = (line.depth(u + 0.01) - line.depth(u - 0.01)) / 0.02;
    const facing = (1 + tilt * tilt) ** -3;
    const wander = 10 ** ((variation * 12 * (noise.fractal(6 * u + 31, row) - 0.4)) / 20);
    const strength = amplitude * ends * facing * wander;
    const first = Math.max(0, Math.floor((centre - 4 * sigma) * size));
    const last = Math.min(size - 1, Math.ceil((centre + 4 * sigma) * size));
    for (let y = first; y <= last; y++) {
      const offset = ((y + 0.5) / size - centre) / sigma;
      const profile = strength * Math.exp(-0.5 * offset * offset);
      const index = y * size + x;
      phantom.specular[index] = (phantom.specular[index] as number) + 0.2 * profile;
      const diffuse = 10 ** ((phantom.echogenicity[index] as number) / 20);
      phantom.echogenicity[index] = 20 * Math.log10(Math.hypot(diffuse, 0.7 * profile));
    }
  }
}

/** A closed outline with a wobbling edge; < 1 inside, 1 on the edge. */
export interface Blob {
  readonly u: number;
  readonly v: number;
  readonly radiusU: number;
  readonly radiusV: number;
  /** Relative size of the wobble. */
  readonly wobble: number;
}

/** Distance from a blob's centre in units of its radius in that direction. */
export function blobRadius(blob: Blob, noise: GradientNoise, u: number, v: number): number {
  const du = (u - blob.u) / blob.radiusU;
  const dv = (v - blob.v) / blob.radiusV;
  const radius = Math.hypot(du, dv);
  if (blob.wobble === 0 || radius === 0) return radius;
  const around = noise.at(1.3 * (du / radius) + 60 * blob.u, 1.3 * (dv / radius) + 60 * blob.v);
  return radius / (1 + blob.wobble * around);
}
