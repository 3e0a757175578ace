import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConvGeometry } from '../../kernels/conv2d/geometry.ts';
import type { StepShape } from '../step/step-shape.ts';

/*
 * What the processes of a comparison share: a folder with one job. Our own process comes first and
 * leaves its results there; every peer computes the same from the same inputs, compares, and only
 * then is timed. Results come back as one JSON object a line on stdout.
 */

export const PASSES = ['forward', 'data', 'weight'] as const;
export type Pass = (typeof PASSES)[number];

export interface PeerShape {
  readonly name: string;
  readonly geometry: ConvGeometry;
}

export interface Job {
  readonly folder: string;
  readonly device?: string;
  readonly shapes: readonly PeerShape[];
  readonly steps: readonly StepShape[];
  /** Folder of the LPIPS weights, if there are any; else the trunk's weights are noise. */
  readonly weights?: string;
  readonly threads: number;
}

export type PeerResult =
  | {
      readonly kind: 'convolution';
      readonly shape: string;
      readonly pass: Pass;
      readonly milliseconds: number;
      readonly wallMilliseconds: number;
      readonly spread: number;
      /** max|peer - ours| over the root mean square of ours. */
      readonly error: number;
    }
  | {
      readonly kind: 'step';
      readonly shape: string;
      readonly seconds: number;
      readonly wallSeconds: number;
      /** Wall time where the peer waits as it does by itself, if that differs from how we wait. */
      readonly unaidedWallSeconds?: number;
      readonly spread: number;
      /** Most memory that the process had resident so far; on a CPU driver the device's is part of it. */
      readonly peakBytes: number;
      /** Largest relative difference from our losses of the first steps. */
      readonly error: number;
    }
  | { readonly kind: 'about'; readonly adapter: string; readonly version: string }
  | { readonly kind: 'failure'; readonly what: string; readonly reason: string };

export function readJob(folder: string): Job {
  return JSON.parse(readFileSync(join(folder, 'job.json'), 'utf8')) as Job;
}

export function report(result: PeerResult): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

export function writeArray(folder: string, name: string, data: Float32Array): void {
  writeFileSync(
    join(folder, `${name}.f32`),
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  );
}

export function readArray(folder: string, name: string): Float32Array {
  const bytes = readFileSync(join(folder, `${name}.f32`));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** Most bytes of memory that this process had resident so far. */
export function peakResident(): number {
  return process.resourceUsage().maxRSS * 1024;
}

/** Name of the file with our result of one pass. */
export function resultName(shape: string, pass: Pass): string {
  return `${shape}.${pass}`;
}

/** Results differ by rounding only: max|found - expected| over the root mean square of expected. */
export function relativeError(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let squares = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(found[i] - expected[i]);
    if (!(difference <= largest)) {
      largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    }
    squares += expected[i] ** 2;
  }
  return largest / Math.sqrt(squares / expected.length);
}

/** Beyond this a peer's result is not ours, and its time means nothing. */
export const CONVOLUTION_TOLERANCE = 1e-3;
export const LOSS_TOLERANCE = 2e-3;

/** @throws Error if results differ by more than rounding */
export function requireEqual(what: string, error: number, tolerance: number): void {
  if (!(error <= tolerance)) {
    throw new Error(`${what}: results differ from ours by ${error.toExponential(1)}`);
  }
}

/** Steps whose losses are compared. */
export const COMPARED_STEPS = 2;
