/** What may differ between two runs of one program, besides the contents of storages made before it. */
export interface Moment {
  readonly step: number;
  readonly learningRate: number;
  /** The values of the step's low images, for what the host makes of them. */
  readonly hostLow?: Float32Array;
}

/**
 * `make`, computed once a moment: several uploads of one step may share what is costly to make.
 * @param make is called without a moment for the one of the recording
 */
export function oncePerMoment<T>(make: (moment?: Moment) => T): (moment?: Moment) => T {
  let last: { readonly moment: Moment | undefined; readonly value: T } | undefined;
  return (moment) => {
    if (!last || last.moment !== moment) last = { moment, value: make(moment) };
    return last.value;
  };
}
