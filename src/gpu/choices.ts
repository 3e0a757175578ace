/**
 * Which variant of a kernel family serves which shape class: plain JSON, so that a run can record it.
 * Classes that are not named are served by the family's default.
 */
export type ChosenVariants = Readonly<Record<string, string>>;

/** A device's choices. They never change: other choices are another object, and plans made under these go. */
export class KernelChoices {
  private readonly chosen: ReadonlyMap<string, string>;

  constructor(chosen: ChosenVariants = {}) {
    this.chosen = new Map(Object.entries(chosen));
  }

  /** The name of the variant for a shape class; undefined for the default. */
  get(shapeClass: string): string | undefined {
    return this.chosen.get(shapeClass);
  }

  /** Sorted by class. */
  toJSON(): ChosenVariants {
    return Object.fromEntries([...this.chosen].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
