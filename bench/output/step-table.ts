import type { StepResult } from '../step/measure-step.ts';
import type { HostResult } from '../step/null-device.ts';
import { shapeText } from '../step/step-shape.ts';
import { bytesText, left, markdownTable, right, significant, spreadText } from './table.ts';

/** One row a training step. @param clock title of the clock's column, without its unit */
export function stepTable(results: readonly StepResult[], clock: string): string {
  return markdownTable(
    [
      left('step'),
      left('perceptual'),
      right(`${clock} s`),
      right('spread'),
      right('wall s'),
      right('first step s'),
      right('host ms'),
      right('dispatches'),
      right('pipelines'),
      right('bind groups made'),
      right('peak memory'),
      right('of a step'),
    ],
    results.map((result) => [
      stepText(result),
      result.perceptual,
      significant(result.seconds.median),
      spreadText(result.seconds),
      significant(result.wallSeconds.median),
      significant(result.firstSeconds),
      significant(result.hostMilliseconds),
      String(result.dispatches),
      String(result.pipelines),
      significant(result.bindGroupsPerStep),
      bytesText(result.peakBytes),
      bytesText(result.stepBytes),
    ]),
  );
}

/** The sizes, and the precision if it is not f32. */
function stepText({ shape, precision }: StepResult): string {
  return precision === 'f32' ? shapeText(shape) : `${shapeText(shape)}, ${precision}`;
}

/** One line a step. */
export function stepLine(result: StepResult, clock: string): string {
  return (
    `${stepText(result)} (${result.perceptual}): ${clock} ${significant(result.seconds.median)} s ±${spreadText(result.seconds)}, ` +
    `wall ${significant(result.wallSeconds.median)} s, first ${significant(result.firstSeconds)} s, host ${significant(result.hostMilliseconds)} ms, ` +
    `${result.dispatches} dispatches, ${result.pipelines} pipelines, ${significant(result.bindGroupsPerStep)} bind groups made, ` +
    `peak ${bytesText(result.peakBytes)}, ${bytesText(result.stepBytes)} in use by a step, binding limit ${bytesText(result.bindingLimit)}`
  );
}

export function hostLine(result: HostResult): string {
  const { shape, dispatches, milliseconds } = result;
  const each = (time: number): string => significant((time * 1000) / dispatches);
  return (
    `Host time on Dawn's null backend, ${shapeText(shape)}: ${significant(milliseconds.median)} ms a step ` +
    `±${spreadText(milliseconds)}, ${dispatches} dispatches, ${each(milliseconds.median)} µs a dispatch; ` +
    `at the least ${significant(milliseconds.least)} ms, ${each(milliseconds.least)} µs.`
  );
}
