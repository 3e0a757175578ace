/** What one test file, or one check, came to. */
export interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
  /** Why it counts as failed although no test of it did; undefined otherwise. */
  fault?: string | undefined;
}

/** How a child process ended: its exit code, or the signal or time limit that ended it. */
export interface Ending {
  code: number | null;
  signal: string | null;
  timedOutAfter?: number | undefined;
}

export function describeEnding({ code, signal, timedOutAfter }: Ending): string {
  if (timedOutAfter !== undefined) return `not finished after ${timedOutAfter} s`;
  return signal === null ? `ended with code ${code}` : `ended by ${signal}`;
}

/** Lines in which a test file says what it leaves out, as `skipped: SONOLIFT_DATA is not set`. */
export function skipNotices(output: string): string[] {
  const lines = output.split('\n').map((line) => line.trim());
  return lines.filter(
    (line) => /\bskip(s|ped|ping)?\b/i.test(line) && !/^Skipped: +\d+$/.test(line),
  );
}

/**
 * Reads the summary that uvu prints at the end (`Total:`, `Passed:`, `Skipped:`). A file that crashed,
 * printed no summary or holds no test has failed, whatever its tests did. One that leaves out all its
 * tests and says so counts as one skipped test.
 */
export function outcomeOfTestFile(output: string, ending: Ending): Outcome {
  const last = (label: string) => {
    const found = [...output.matchAll(new RegExp(`^ *${label}: +(\\d+)$`, 'gm'))].at(-1)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const total = last('Total');
  const passed = last('Passed');
  if (total === undefined || passed === undefined) {
    return { passed: 0, failed: 1, skipped: 0, fault: `${describeEnding(ending)}, no summary` };
  }
  const skipped = last('Skipped') ?? 0;
  const failed = total - passed;
  if (ending.code !== 0 && failed === 0) {
    return { passed, failed: 1, skipped, fault: `all passed, then ${describeEnding(ending)}` };
  }
  if (total + skipped === 0) {
    if (skipNotices(output).length > 0) return { passed: 0, failed: 0, skipped: 1 };
    return { passed: 0, failed: 1, skipped: 0, fault: 'holds no test' };
  }
  return { passed, failed, skipped };
}

/** A check, such as the type check, is one test. */
export function outcomeOfCheck(ending: Ending): Outcome {
  return ending.code === 0
    ? { passed: 1, failed: 0, skipped: 0 }
    : { passed: 0, failed: 1, skipped: 0, fault: describeEnding(ending) };
}

/** `3 passed, 0 failed`, and `, 2 skipped` if any were. */
export function formatCounts({ passed, failed, skipped }: Outcome): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

export function sumOutcomes(outcomes: readonly Outcome[]): Outcome {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const { passed, failed, skipped } of outcomes) {
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skipped;
  }
  return sum;
}
