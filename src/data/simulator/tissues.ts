/** The simulated tissues, each a recipe from a random stream to a {@link Phantom}. */
import type { RandomStream } from '../../autograd/philox.ts';
import { GradientNoise, smoothStep } from './noise.ts';
import {
  addReflector,
  type Blob,
  blobRadius,
  emptyPhantom,
  type Phantom,
  visitPixels,
  wavyCurve,
} from './phantom.ts';
import { addBone, addSkinAndFat, between, connectiveEcho, muscleEcho } from './tissue-parts.ts';

export const TISSUES = ['vessel', 'layers', 'cyst', 'muscle', 'nerve'] as const;
export type Tissue = (typeof TISSUES)[number];

/** Fluid scatters next to nothing. */
const FLUID_ECHO = -38;

/** An artery along the beam plane: two walls of three layers around an anechoic lumen. */
function addLongVessel(phantom: Phantom, random: RandomStream, noise: GradientNoise): void {
  const centre = wavyCurve(noise, between(random, 0.42, 0.58), between(random, -0.12, 0.12), 0.02);
  const radius = between(random, 0.09, 0.15);
  const wall = between(random, 0.016, 0.024);
  visitPixels(phantom, (u, v, i) => {
    const distance = Math.abs(v - centre(u));
    if (distance < radius) {
      // Reverberation from the near wall fades into the lumen.
      const near = Math.exp(-(v - centre(u) + radius) / 0.02);
      phantom.echogenicity[i] = FLUID_ECHO + 14 * near;
      phantom.specular[i] = 0;
      phantom.attenuation[i] = 0.25;
    } else if (distance < radius + wall) {
      phantom.echogenicity[i] = -16;
      phantom.specular[i] = 0;
    } else if (distance < radius + 2.4 * wall) {
      phantom.echogenicity[i] = 1 + 6 * noise.fractal(6 * u, 25 * v);
    }
  });
  for (const side of [-1, 1]) {
    const intima = (u: number): number => centre(u) + side * radius;
    const adventitia = (u: number): number => centre(u) + side * (radius + 1.3 * wall);
    const level = side < 0 ? 6 : 11;
    addReflector(phantom, noise, { depth: intima, thickness: 0.003, level, variation: 0.6 });
    addReflector(phantom, noise, {
      depth: adventitia,
      thickness: 0.006,
      level: level + 7,
      variation: 0.5,
    });
  }
}

/** A vessel across the plane: anechoic disc, wall bright where the beam meets it squarely. */
function addRoundVessel(phantom: Phantom, noise: GradientNoise, blob: Blob, wall: number): void {
  visitPixels(phantom, (u, v, i) => {
    const radius = blobRadius(blob, noise, u, v);
    if (radius < 1) {
      phantom.echogenicity[i] = FLUID_ECHO;
      phantom.specular[i] = 0;
      phantom.attenuation[i] = 0.25;
    } else if (radius < 1 + wall) {
      const du = (u - blob.u) / blob.radiusU;
      const facing = 1 - Math.min(1, (du / radius) ** 2);
      phantom.echogenicity[i] = -13 + 17 * facing + 7 * noise.fractal(9 * u, 9 * v);
      phantom.specular[i] = 1.2 * facing ** 3;
    }
  });
}

function vessel(phantom: Phantom, random: RandomStream, noise: GradientNoise): void {
  const angle = between(random, -0.15, 0.15);
  const deepBase = between(random, -14, -9);
  const sheath = wavyCurve(noise, between(random, 0.26, 0.36), between(random, -0.1, 0.1), 0.03);
  visitPixels(phantom, (u, v, i) => {
    phantom.echogenicity[i] =
      v < sheath(u) ? muscleEcho(noise, angle, -19, u, v) : connectiveEcho(noise, deepBase, u, v);
  });
  addSkinAndFat(phantom, random, noise, between(random, 0.1, 0.18));
  addReflector(phantom, noise, { depth: sheath, thickness: 0.004, level: 15, variation: 0.9 });
  if (random.uniform() < 0.5) {
    addLongVessel(phantom, random, noise);
    return;
  }
  const radius = between(random, 0.1, 0.16);
  const artery: Blob = {
    u: between(random, 0.35, 0.6),
    v: between(random, 0.45, 0.58),
    radiusU: radius,
    radiusV: radius * between(random, 0.9, 1),
    wobble: 0.03,
  };
  addRoundVessel(phantom, noise, artery, 0.16);
  // A vein beside it, flattened by the probe, thin-walled.
  const side = random.uniform() < 0.5 ? -1 : 1;
  const vein: Blob = {
    u: artery.u + side * radius * between(random, 2.1, 2.5),
    v: artery.v - radius * between(random, 0.2, 0.9),
    radiusU: radius * between(random, 0.8, 1.1),
    radiusV: radius * between(random, 0.35, 0.6),
    wobble: 0.15,
  };
  addRoundVessel(phantom, noise, vein, 0.1);
}

function layers(phantom: Phantom, random: RandomStream, noise: GradientNoise): void {
  const count = 2 + random.integer(3);
  const start = between(random, 0.1, 0.24);
  const end = between(random, 0.7, 0.9);
  const borders = Array.from({ length: count }, (_, k) =>
    wavyCurve(
      noise,
      start + ((end - start) * (k + 1 + between(random, -0.25, 0.25))) / count,
      between(random, -0.12, 0.12),
      0.03,
    ),
  );
  const recipes = Array.from({ length: count + 1 }, () => ({
    angle: between(random, -0.35, 0.35),
    base: between(random, -23, -12),
    shift: between(random, 0, 50),
  }));
  visitPixels(phantom, (u, v, i) => {
    const found = borders.findIndex((border) => v < border(u));
    const { angle, base, shift } = recipes[found < 0 ? count : found] ?? {
      angle: 0,
      base: 0,
      shift: 0,
    };
    phantom.echogenicity[i] = muscleEcho(noise, angle, base, u + shift, v);
  });
  addSkinAndFat(phantom, random, noise, start);
  for (const depth of borders) {
    const level = between(random, 10, 19);
    addReflector(phantom, noise, { depth, thickness: 0.005, level, variation: 0.9 });
  }
  if (random.uniform() < 0.5) {
    const crest = between(random, 0.2, 0.8);
    const depth = between(random, 0.72, 0.85);
    const arch = between(random, 0.3, 1);
    addBone(phantom, noise, (u) => depth + arch * (u - crest) ** 2 + 0.01 * noise.at(5 * u, 3.3));
  }
}

/** A calcification: a short bright cap with a clean shadow below. */
function addStone(
  phantom: Phantom,
  noise: GradientNoise,
  centre: number,
  depth: number,
  halfWidth: number,
): void {
  addReflector(phantom, noise, {
    depth: (u) => depth + 4 * (u - centre) ** 2,
    thickness: 0.008,
    level: 27,
    from: centre - halfWidth,
    to: centre + halfWidth,
    variation: 0.2,
  });
  visitPixels(phantom, (u, v, i) => {
    if (Math.abs(u - centre) < halfWidth && v > depth && v < depth + 0.02) {
      phantom.attenuation[i] = 22;
    }
  });
}

function cyst(phantom: Phantom, random: RandomStream, noise: GradientNoise): void {
  const base = between(random, -11, -5);
  visitPixels(phantom, (u, v, i) => {
    const vessels = smoothStep(0.4, 0.6, noise.fractal(4 * u + 80, 4.5 * v + 3));
    const grain = noise.fractal(16 * u + 7, 19 * v);
    const patches = noise.fractal(3 * u, 3.5 * v + 40);
    phantom.echogenicity[i] = base + 4 * grain + 6 * patches - 16 * vessels;
  });
  addSkinAndFat(phantom, random, noise, between(random, 0.1, 0.2));
  const count = 1 + random.integer(3);
  const blobs: Blob[] = [];
  for (let k = 0; k < count; k++) {
    const radius = between(random, 0.05, k === 0 ? 0.16 : 0.09);
    const blob: Blob = {
      u: between(random, 0.15, 0.85),
      v: between(random, 0.32, 0.72),
      radiusU: radius * between(random, 0.9, 1.25),
      radiusV: radius,
      wobble: 0.07,
    };
    const apart = (other: Blob): boolean =>
      Math.hypot(blob.u - other.u, blob.v - other.v) > 1.3 * (blob.radiusU + other.radiusU);
    if (!blobs.every(apart)) continue;
    blobs.push(blob);
    const solid = random.uniform() < 0.3;
    visitPixels(phantom, (u, v, i) => {
      const distance = blobRadius(blob, noise, u, v);
      if (distance < 1) {
        const inside = solid ? base - 9 + 5 * noise.fractal(14 * u, 14 * v) : FLUID_ECHO;
        phantom.echogenicity[i] = inside;
        phantom.attenuation[i] = solid ? 1.3 : 0.1;
        phantom.specular[i] = 0;
      } else if (distance < 1.12) {
        const du = (u - blob.u) / (blob.radiusU * distance);
        const facing = 1 - Math.min(1, du * du);
        phantom.echogenicity[i] = base + 1 + (solid ? 2 : 7) * facing;
        phantom.specular[i] = solid ? 0 : 0.9 * facing ** 3;
        // Refraction at the steep flanks throws thin shadows.
        if (facing < 0.25) phantom.attenuation[i] = 2.2;
      }
    });
  }
  const stone = { u: between(random, 0.2, 0.8), v: between(random, 0.4, 0.7) };
  const halfWidth = between(random, 0.02, 0.04);
  const free = blobs.every((blob) => Math.abs(blob.u - stone.u) > blob.radiusU + halfWidth + 0.03);
  if (free && random.uniform() < 0.6) addStone(phantom, noise, stone.u, stone.v, halfWidth);
}

function muscle(phantom: Phantom, random: RandomStream, noise: GradientNoise): void {
  const sign = random.uniform() < 0.5 ? -1 : 1;
  const upper = sign * between(random, 0.12, 0.5);
  const lower = random.uniform() < 0.5 ? -upper : sign * between(random, 0.02, 0.2);
  const base = between(random, -25, -19);
  const sheet = wavyCurve(noise, between(random, 0.5, 0.7), between(random, -0.15, 0.15), 0.02);
  visitPixels(phantom, (u, v, i) => {
    const angle = v < sheet(u) ? upper : lower;
    phantom.echogenicity[i] = muscleEcho(noise, angle, base, u, v + (v < sheet(u) ? 0 : 7));
  });
  const fascia = addSkinAndFat(phantom, random, noise, between(random, 0.1, 0.2));
  const deep = (u: number): number => fascia(u) + 0.018;
  addReflector(phantom, noise, { depth: deep, thickness: 0.003, level: 17, variation: 0.7 });
  addReflector(phantom, noise, { depth: sheet, thickness: 0.007, level: 18, variation: 0.8 });
  if (random.uniform() < 0.4) {
    addBone(
      phantom,
      noise,
      wavyCurve(noise, between(random, 0.85, 0.93), between(random, -0.1, 0.1), 0.02),
    );
  }
}

/** Distance to the nearest fascicle centre on a jittered hexagonal lattice, lattice units. */
function fascicleDistance(noise: GradientNoise, x: number, y: number): number {
  let nearest = Number.POSITIVE_INFINITY;
  const row = Math.round(y / 0.866);
  for (let r = row - 1; r <= row + 1; r++) {
    const offset = (r & 1) * 0.5;
    const column = Math.round(x - offset);
    for (let c = column - 1; c <= column + 1; c++) {
      const cx = c + offset + 0.35 * noise.at(c * 3.37 + 0.5, r * 2.71 + 0.5);
      const cy = 0.866 * r + 0.35 * noise.at(c * 1.93 + 40.5, r * 3.11 + 9.5);
      nearest = Math.min(nearest, Math.hypot(x - cx, y - cy));
    }
  }
  return nearest;
}

function nerve(phantom: Phantom, random: RandomStream, noise: GradientNoise): void {
  const upper = between(random, -0.3, 0.3);
  const plane = wavyCurve(noise, between(random, 0.36, 0.46), between(random, -0.15, 0.15), 0.03);
  visitPixels(phantom, (u, v, i) => {
    const deep = v >= plane(u);
    phantom.echogenicity[i] = muscleEcho(
      noise,
      deep ? -upper : upper,
      deep ? -18 : -22,
      u,
      v + (deep ? 5 : 0),
    );
  });
  addSkinAndFat(phantom, random, noise, between(random, 0.1, 0.18));
  addReflector(phantom, noise, { depth: plane, thickness: 0.005, level: 19, variation: 0.7 });
  const bundle: Blob = {
    u: between(random, 0.3, 0.7),
    v: between(random, 0.48, 0.62),
    radiusU: between(random, 0.13, 0.2),
    radiusV: between(random, 0.075, 0.11),
    wobble: 0.1,
  };
  const pitch = between(random, 0.035, 0.05);
  visitPixels(phantom, (u, v, i) => {
    const radius = blobRadius(bundle, noise, u, v);
    if (radius > 1.25) return;
    if (radius > 1) {
      const rim = 1 - smoothStep(1, 1.25, radius);
      const outside = phantom.echogenicity[i] as number;
      phantom.echogenicity[i] = outside + rim * (3 - outside);
      return;
    }
    const distance = fascicleDistance(noise, u / pitch, v / pitch);
    phantom.echogenicity[i] = -19 + 20 * smoothStep(0.25, 0.55, distance);
    phantom.specular[i] = 0;
  });
  if (random.uniform() < 0.6) {
    const radius = between(random, 0.045, 0.07);
    const side = random.uniform() < 0.5 ? -1 : 1;
    const artery: Blob = {
      u: bundle.u + side * (bundle.radiusU * 1.2 + radius * 1.4),
      v: bundle.v + between(random, -0.05, 0.08),
      radiusU: radius,
      radiusV: radius,
      wobble: 0.04,
    };
    addRoundVessel(phantom, noise, artery, 0.25);
  }
}

const RECIPES: Record<
  Tissue,
  (phantom: Phantom, random: RandomStream, noise: GradientNoise) => void
> = { vessel, layers, cyst, muscle, nerve };

/** A phantom of a tissue, `size` x `size`. The stream decides everything but the size. */
export function makePhantom(tissue: Tissue, size: number, random: RandomStream): Phantom {
  const phantom = emptyPhantom(size);
  const noise = new GradientNoise(random);
  RECIPES[tissue](phantom, random, noise);
  return phantom;
}
