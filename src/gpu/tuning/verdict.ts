/** Part of the default's time that another variant must save: less may be noise, which must not decide. */
export const MARGIN = 0.1;

/** What measuring a shape class came to. */
export interface Verdict {
  /** The variant to take. */
  readonly variant: string;
  /** Milliseconds of one run of every variant that was timed: its fastest sample. */
  readonly milliseconds: Readonly<Record<string, number>>;
  /** Variants that are not to be taken on this adapter, with what was wrong. */
  readonly struckOff: Readonly<Record<string, string>>;
}

/**
 * The variant to take: the fastest, if it saves at least `margin` of the default's time; else the default.
 * @param milliseconds by variant, the default first
 */
export function fastest(milliseconds: ReadonlyMap<string, number>, margin = MARGIN): string {
  const [[usual, usualTime], ...others] = milliseconds;
  let best = usual;
  let least = usualTime * (1 - margin);
  for (const [name, time] of others) {
    if (time > least || (best !== usual && time === least)) continue;
    best = name;
    least = time;
  }
  return best;
}
