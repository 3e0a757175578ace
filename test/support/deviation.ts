import * as assert from 'uvu/assert';

/** How far values are from a reference: max |a-b| / max |b|, and ‖a-b‖ / ‖b‖. */
export interface Deviation {
  readonly max: number;
  readonly norm: number;
}

/** The deviation of `found` from `reference`; NaN as soon as one value is. */
export function deviation(found: ArrayLike<number>, reference: ArrayLike<number>): Deviation {
  assert.is(found.length, reference.length, 'number of values');
  let worst = 0;
  let largest = 0;
  let squares = 0;
  let total = 0;
  for (let i = 0; i < reference.length; i++) {
    const difference = Math.abs(found[i] - reference[i]);
    // Math.max keeps NaN.
    worst = Math.max(worst, difference);
    largest = Math.max(largest, Math.abs(reference[i]));
    squares += difference * difference;
    total += reference[i] * reference[i];
  }
  return { max: worst / largest, norm: Math.sqrt(squares / total) };
}

/** √Σx². */
export function norm(values: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i] * values[i];
  return Math.sqrt(squares);
}

/** max |x|; NaN as soon as one value is. */
export function largest(values: ArrayLike<number>): number {
  let result = 0;
  for (let i = 0; i < values.length; i++) result = Math.max(result, Math.abs(values[i]));
  return result;
}

/**
 * How far an f32 engine may be from the f64 result: `multiple` times what PyTorch's own f32 run is,
 * since the order of sums differs, but never asked to be closer than `floor`.
 */
export interface Rule {
  readonly multiple: number;
  readonly floor: number;
}

/** Fails unless both deviations keep within the rule. */
export function assertDeviation(
  what: string,
  found: ArrayLike<number>,
  reference: ArrayLike<number>,
  float32: Deviation,
  rule: Rule,
): void {
  const measured = deviation(found, reference);
  for (const kind of ['max', 'norm'] as const) {
    const bound = Math.max(rule.floor, rule.multiple * float32[kind]);
    if (process.env.SONOLIFT_SHOW_DEVIATIONS) {
      console.log(
        `${what} ${kind}: ${measured[kind].toExponential(2)} ≤ ${bound.toExponential(2)}`,
      );
    }
    assert.ok(
      measured[kind] <= bound,
      `${what}: ${kind} deviation ${measured[kind].toExponential(2)}, allowed ${bound.toExponential(2)}`,
    );
  }
}
