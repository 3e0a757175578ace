import { METHOD_NAMES } from './methods.ts';

/** The rows of the paper's Table 2 in its order, as it calls them. */
const TABLE_2: Readonly<Record<string, string>> = {
  pix2pix: 'Pix2Pix',
  mspgan: 'MSPGAN',
  cyclegan: 'CycleGAN',
  reggan: 'RegGAN',
  'stable-cyclegan': 'Stable CycleGAN',
  proposed: 'Proposed method',
};

/** Methods whose publication leaves out too much: built from its description and our own choices. */
const RECONSTRUCTED: ReadonlySet<string> = new Set(['mspgan', 'stable-cyclegan']);

/** What people call a method; a reconstruction says that it is one. */
export function methodLabel(name: string): string {
  const label = TABLE_2[name] ?? name;
  return RECONSTRUCTED.has(name) ? `${label} (reconstructed)` : label;
}

/** Every method there is: those of the paper's Table 2 in its order, then any others. */
export function methodsInTableOrder(): string[] {
  const order = Object.keys(TABLE_2);
  const place = (name: string): number =>
    (order.indexOf(name) + order.length + 1) % (order.length + 1);
  return [...METHOD_NAMES].sort((a, b) => place(a) - place(b));
}
