/** Building blocks that several tissues share: skin and fat, muscle, bone. */
import type { RandomStream } from '../../autograd/philox.ts';
import { type GradientNoise, smoothStep } from './noise.ts';
import { addReflector, type DepthCurve, type Phantom, visitPixels, wavyCurve } from './phantom.ts';

/** A uniform random number in [from, to). */
export function between(random: RandomStream, from: number, to: number): number {
  return from + (to - from) * random.uniform();
}

/**
 * Short bright bundles that run along `along`: elongated islands where the noise is high.
 * 0 … 1; about a third of the area is bright.
 */
function bundles(noise: GradientNoise, along: number, across: number): number {
  return smoothStep(0.02, 0.5, noise.at(along, across));
}

/** Echogenicity of fat, dB: dark lobules between bright septa that run along the skin. */
function fatEcho(noise: GradientNoise, u: number, v: number): number {
  const warp = 0.5 * noise.at(3 * u + 5, 4 * v);
  const septa = bundles(noise, 2.6 * u + 11, 24 * v + warp);
  const strands = bundles(noise, 6 * u + 60, 52 * v - warp);
  return -19 + 3 * noise.fractal(6 * u, 14 * v) + 17 * septa + 6 * strands;
}

/** Echogenicity of one muscle: dark fascicles between bright, broken, oblique sheaths. */
export function muscleEcho(
  noise: GradientNoise,
  angle: number,
  base: number,
  u: number,
  v: number,
): number {
  const bend = 0.04 * noise.at(1.5 * u + 21, 1.5 * v + 8);
  const along = u * Math.cos(angle) + v * Math.sin(angle);
  const across = v * Math.cos(angle) - u * Math.sin(angle) + bend;
  const gate = smoothStep(-0.4, 0.4, noise.at(2.3 * along + 33, 5 * across));
  const sheaths = bundles(noise, 3.6 * along + 2, 30 * across) * (0.25 + 0.75 * gate);
  const fine = bundles(noise, 8 * along + 70, 58 * across + 9) * (0.3 + 0.7 * gate);
  return base + 4 * noise.fractal(3 * u + 50, 4 * v) + 20 * sheaths + 11 * fine;
}

/** Echogenicity of loose connective tissue and glands: soft patches, a few strands. */
export function connectiveEcho(noise: GradientNoise, base: number, u: number, v: number): number {
  const patches = noise.fractal(4 * u + 14, 7 * v + 2);
  return base + 6 * patches + 13 * bundles(noise, 4.5 * u + 9, 22 * v + 1.2 * patches);
}

/**
 * Paints skin and subcutaneous fat down to a fascia and returns the fascia's depth.
 * Sets echogenicity above it; below it leaves the map alone.
 */
export function addSkinAndFat(
  phantom: Phantom,
  random: RandomStream,
  noise: GradientNoise,
  meanDepth: number,
): DepthCurve {
  const skin = between(random, 0.025, 0.045);
  const fascia = wavyCurve(noise, meanDepth, between(random, -0.05, 0.05), 0.025);
  visitPixels(phantom, (u, v, i) => {
    if (v < skin) phantom.echogenicity[i] = 7 + 4 * noise.fractal(9 * u, 60 * v);
    else if (v < fascia(u)) phantom.echogenicity[i] = fatEcho(noise, u, v);
  });
  addReflector(phantom, noise, { depth: () => 0.006, thickness: 0.004, level: 22, variation: 0.3 });
  addReflector(phantom, noise, { depth: () => skin, thickness: 0.003, level: 15, variation: 0.4 });
  addReflector(phantom, noise, { depth: fascia, thickness: 0.004, level: 19, variation: 0.7 });
  return fascia;
}

/**
 * A bone surface: a strong reflector with almost nothing but reverberation behind it.
 */
export function addBone(
  phantom: Phantom,
  noise: GradientNoise,
  surface: DepthCurve,
  from = -1,
  to = 2,
): void {
  visitPixels(phantom, (u, v, i) => {
    const depth = v - surface(u);
    if (depth < 0 || u < from || u > to) return;
    phantom.echogenicity[i] = -16 + 6 * noise.fractal(5 * u, 9 * depth);
    phantom.attenuation[i] = 4;
    phantom.specular[i] = 0;
  });
  addReflector(phantom, noise, {
    depth: surface,
    thickness: 0.006,
    level: 27,
    from,
    to,
    variation: 0.4,
  });
}
