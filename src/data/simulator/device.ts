/** What makes one scanner's picture differ from another's. Lengths are pixels of the picture. */

/** A pulse-echo scanner; depths are fractions of the view, levels dB relative to reference tissue. */
export interface Device {
  /** Cycles of the centre frequency per pixel of depth, there and back: 2 pitch / wavelength. */
  readonly carrier: number;
  /** Frequency-compounded looks averaged in intensity; 1 is none. */
  readonly looks: number;
  /** Relative spacing of the looks' centre frequencies. */
  readonly lookSpacing: number;
  /** Standard deviation of the pulse envelope along the beam, pixels. */
  readonly axialWidth: number;
  /** Standard deviation of the beam across, at the focus, pixels. */
  readonly lateralWidth: number;
  readonly focus: number;
  /** Growth of the lateral width per view depth away from the focus, pixels. */
  readonly divergence: number;
  /** Amplitude of the side lobes (a pedestal four beams wide) relative to the main lobe. */
  readonly sideLobes: number;
  /** Attenuation over the whole depth of reference tissue, there and back, dB. */
  readonly attenuation: number;
  /** Share of it made good by time gain compensation. */
  readonly compensation: number;
  /** Electronic noise at the surface; time gain compensation raises it with depth. */
  readonly noise: number;
  /** Level shown white. */
  readonly white: number;
  /** Level shown black lies this far below white, dB. */
  readonly dynamicRange: number;
}

/** A cart-based machine: about 12 MHz at 0.15 mm a pixel, dynamically focused, compounded. */
export const HIGH_END: Device = {
  carrier: 2.35,
  looks: 3,
  lookSpacing: 0.16,
  axialWidth: 0.75,
  lateralWidth: 1.1,
  focus: 0.5,
  divergence: 1.2,
  sideLobes: 0,
  attenuation: 36,
  compensation: 0.93,
  noise: -62,
  white: 16,
  dynamicRange: 52,
};

/**
 * A hand-held probe: about 6 MHz, one focus, few channels, weak amplifier. Set so that its picture
 * scores against {@link HIGH_END} about as the paper's "reference low" does on USEnhance
 * (PSNR 14.3 dB, SSIM 0.236).
 */
export const HAND_HELD: Device = {
  carrier: 1.17,
  looks: 2,
  lookSpacing: 0.35,
  axialWidth: 1.5,
  lateralWidth: 2.1,
  focus: 0.35,
  divergence: 5,
  sideLobes: 0.02,
  attenuation: 40,
  compensation: 0.85,
  noise: -48,
  white: 16,
  dynamicRange: 43,
};

/** Standard deviation of the beam across at a depth: hyperbolic about the focus, pixels. */
export function beamWidth(device: Device, depth: number): number {
  return Math.hypot(device.lateralWidth, device.divergence * (depth - device.focus));
}
