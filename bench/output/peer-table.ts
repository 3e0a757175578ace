import { convolutionFlops } from '../cases/convolution.ts';
import { type Job, PASSES, type PeerResult } from '../peers/job.ts';
import { shapeText } from '../step/step-shape.ts';
import { left, markdownTable, right, significant } from './table.ts';

/** What one process of a comparison reported. */
export interface PeerRun {
  readonly name: string;
  readonly results: readonly PeerResult[];
}

/** `12.3 (5.1×)`: a value, and how many times ours is faster. */
function beside(value: number | undefined, ours: number | undefined, text: string): string {
  if (value === undefined) return '–';
  if (ours === undefined || value === ours) return text;
  return `${text} (${significant(value / ours)}×)`;
}

/** GFLOP/s of every pass, and in brackets how many times faster ours is. */
export function peerConvolutionTable(job: Job, runs: readonly PeerRun[]): string {
  const find = (run: PeerRun, shape: string, pass: string) => {
    for (const result of run.results) {
      if (result.kind === 'convolution' && result.shape === shape && result.pass === pass) {
        return result.milliseconds;
      }
    }
    return undefined;
  };
  const rows = job.shapes.flatMap(({ name, geometry }) =>
    PASSES.map((pass) => {
      const ours = find(runs[0], name, pass);
      return [
        name,
        pass,
        ...runs.map((run) => {
          const ms = find(run, name, pass);
          return beside(
            ms,
            ours,
            ms === undefined ? '' : significant(convolutionFlops(geometry) / ms / 1e6),
          );
        }),
      ];
    }),
  );
  return markdownTable(
    [left('convolution'), left('pass'), ...runs.map(({ name }) => right(name))],
    rows,
  );
}

/**
 * Seconds a step, and in brackets how many times faster ours is; the most memory that the process had resident
 * until then. Of a peer that waits in another way than we do, also the wall time when it is left to that.
 */
export function peerStepTable(job: Job, runs: readonly PeerRun[]): string {
  const find = (run: PeerRun, shape: string) => {
    for (const result of run.results) {
      if (result.kind === 'step' && result.shape === shape) return result;
    }
    return undefined;
  };
  const hasUnaided = (run: PeerRun): boolean =>
    run.results.some((result) => result.kind === 'step' && result.unaidedWallSeconds !== undefined);
  const rows = job.steps.map((step) => {
    const shape = shapeText(step);
    const ours = find(runs[0], shape);
    const seconds = (value: number | undefined, own: number | undefined): string =>
      beside(value, own, value === undefined ? '' : significant(value));
    return [
      shape,
      ...runs.flatMap((run) => {
        const found = find(run, shape);
        return [
          seconds(found?.seconds, ours?.seconds),
          seconds(found?.wallSeconds, ours?.wallSeconds),
          ...(hasUnaided(run) ? [seconds(found?.unaidedWallSeconds, ours?.wallSeconds)] : []),
          found ? (found.peakBytes / 2 ** 30).toFixed(2) : '–',
        ];
      }),
    ];
  });
  return markdownTable(
    [
      left('step'),
      ...runs.flatMap((run) => [
        right(`${run.name} s`),
        right('wall s'),
        ...(hasUnaided(run) ? [right('wall s, left to its own waiting')] : []),
        right('GiB'),
      ]),
    ],
    rows,
  );
}

/** Versions and adapters, and what failed. */
export function peerNotes(runs: readonly PeerRun[]): string[] {
  return runs.flatMap(({ name, results }) =>
    results.flatMap((result) => {
      if (result.kind === 'about') return [`- ${name} ${result.version} on ${result.adapter}`];
      if (result.kind === 'failure') return [`- ${result.what} failed: ${result.reason}`];
      return [];
    }),
  );
}

/** One line of progress. */
export function peerLine(name: string, result: PeerResult): string {
  const error = 'error' in result ? ` (differs from ours by ${result.error.toExponential(1)})` : '';
  switch (result.kind) {
    case 'convolution':
      return `${name}: ${result.shape} ${result.pass} ${significant(result.milliseconds)} ms, wall ${significant(result.wallMilliseconds)} ms${error}`;
    case 'step':
      return `${name}: step ${result.shape} ${significant(result.seconds)} s, wall ${significant(result.wallSeconds)} s${error}`;
    case 'about':
      return `${name} ${result.version} on ${result.adapter}`;
    case 'failure':
      return `${name} FAILED: ${result.reason}`;
  }
}
